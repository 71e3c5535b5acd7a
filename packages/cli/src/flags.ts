import { parseArgs } from 'node:util';
import { UsageError } from './command.js';
import type { Environment } from './environment.js';

/** A setting's name and what it was given, so that a refusal can say which one it is. */
export interface Given {
  readonly name: string;
  readonly value: string;
}

export interface FlagReader {
  /** The flag's value, else the variable's, else undefined. Empty is the same as not given. */
  given(flag: string, variable?: string): Given | undefined;
}

export function readFlags(args: readonly string[], flags: readonly string[], environment: Environment): FlagReader {
  const options = Object.fromEntries(flags.map((flag) => [flag, { type: 'string' as const }]));
  let values: Record<string, unknown>;
  try {
    ({ values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }));
  } catch (error) {
    // Node's advice follows its first sentence.
    const [sentence = ''] = (error as Error).message.split(/\.\s|\n/);
    throw new UsageError(`${sentence}; --help lists the flags.`);
  }
  return {
    given(flag, variable) {
      const value = values[flag];
      if (typeof value === 'string' && value.trim() !== '') return { name: `--${flag}`, value: value.trim() };
      const fallback = variable === undefined ? undefined : environment[variable]?.trim();
      return variable !== undefined && fallback ? { name: variable, value: fallback } : undefined;
    },
  };
}

export function whole(given: Given | undefined, fallback: number, min: number, max: number): number {
  if (given === undefined) return fallback;
  const number = /^\d{1,12}$/.test(given.value) ? Number(given.value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw wrong(given, `a whole number from ${min} to ${max}`);
}

export function wrong({ name, value }: Given, expected: string): UsageError {
  return new UsageError(`${name} is "${value}", but must be ${expected}.`);
}
