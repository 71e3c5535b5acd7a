import type { Environment } from './environment.js';

/** A start that cannot go on because of what the operator set. Printed as one line, without a stack. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

const durationUnitsMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Nearly as long as a timer of Node's can be: what is longer it takes for 1 ms. */
const longestTimerMs = 24 * 86_400_000;
const byteUnits: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
};

/** Readers for one environment. Each takes a variable's name and its default, and refuses by that name. */
export function settingsOf(environment: Environment) {
  const raw = (name: string): string | undefined => {
    const value = environment[name]?.trim();
    return value === '' ? undefined : value;
  };
  const refuse = (name: string, value: string, expected: string): never => {
    throw new SettingsError(`${name} is "${value}", but must be ${expected}.`);
  };

  return {
    text: (name: string, fallback: string): string => raw(name) ?? fallback,

    integer(name: string, fallback: number, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): number {
      const value = raw(name);
      if (value === undefined) return fallback;
      const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : refuse(name, value, `a whole number from ${min} to ${max}`);
    },

    port: (name: string, fallback: number): number => {
      const value = raw(name);
      if (value === undefined) return fallback;
      const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
      return number <= 65_535 ? number : refuse(name, value, 'a port from 0 to 65535');
    },

    /** `500ms`, `10s`, `2m`, `1h`, `7d`; a bare number is seconds. */
    durationMs(name: string, fallback: number, { min = 1, max = longestTimerMs } = {}): number {
      const value = raw(name);
      if (value === undefined) return fallback;
      const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?$/i.exec(value);
      const unitMs = durationUnitsMs[(match?.[2] ?? 's').toLowerCase()] as number;
      // Whole ones: 4.1 minutes are some 10^-11 ms less than 246000, which neither NATS nor Postgres would take.
      const ms = match ? Math.round(Number(match[1]) * unitMs) : Number.NaN;
      return ms >= min && ms <= max
        ? ms
        : refuse(name, value, `a duration such as 500ms, 10s or 2m (${min} ms to ${max} ms)`);
    },

    /** `65536`, `512KB`, `8MB`, `4GB`, in powers of 1024. */
    bytes(name: string, fallback: number, { min = 1, max = Number.MAX_SAFE_INTEGER } = {}): number {
      const value = raw(name);
      if (value === undefined) return fallback;
      const match = /^(\d{1,15})\s*(b|kb?|mb?|gb?)?$/i.exec(value);
      const bytes = match ? Number(match[1]) * (byteUnits[(match[2] ?? '').toLowerCase()] as number) : Number.NaN;
      return bytes >= min && bytes <= max
        ? bytes
        : refuse(name, value, `a size such as 512KB or 4GB (${min} to ${max} bytes)`);
    },

    choice<const T extends string>(name: string, choices: readonly T[], fallback: T): T {
      const value = raw(name)?.toLowerCase();
      if (value === undefined) return fallback;
      return choices.find((choice) => choice === value) ?? refuse(name, value, `one of ${choices.join(', ')}`);
    },

    /** A URL with one of the given schemes; the value itself is not repeated, since it may hold a password. */
    url(name: string, fallback: string, schemes: readonly string[]): string {
      const value = raw(name) ?? fallback;
      if (!URL.canParse(value) || !schemes.includes(new URL(value).protocol.replace(/:$/, ''))) {
        throw new SettingsError(`${name} is not a URL that starts with ${schemes.map((s) => `${s}://`).join(' or ')}.`);
      }
      return value;
    },

    /** host:port, with or without a scheme. */
    address(name: string, fallback: string): string {
      const value = (raw(name) ?? fallback).replace(/^(grpc|http|dns):\/{2,3}/i, '').replace(/\/$/, '');
      return /^[^\s/]+:\d{1,5}$/.test(value) ? value : refuse(name, value, 'an address such as 127.0.0.1:50051');
    },
  };
}

export type Settings = ReturnType<typeof settingsOf>;
