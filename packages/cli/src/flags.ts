import { parseArgs } from 'node:util';
import { UsageError } from './command.js';
import type { Environment } from './environment.js';
import type { Flag, Positional } from './flag.js';
import { nearest } from './nearest.js';

/** A setting's name and what it was given, so that a refusal can say which one it is. */
export interface Given {
  readonly name: string;
  readonly value: string;
}

/** Asking for a name that is not declared is a mistake of the program: the help would not have it. */
export interface FlagReader {
  /** The flag's value, else the variable's, else undefined. Empty is the same as not given. */
  given(flag: string, variable?: string): Given | undefined;
  /** A value in which every character counts; an empty one is refused, so that no filter is lost by mistake. */
  text(flag: string): string | undefined;
  /** One of the flag's choices. */
  choice<T extends string>(flag: string): T | undefined;
  /** Of a boolean. */
  isOn(flag: string): boolean;
  /** Every value of a repeated flag, in their order. */
  all(flag: string): readonly Given[];
  positional(name: string): string | undefined;
  /** Every value of a positional with `many`. */
  positionals(name: string): readonly string[];
}

export function readFlags(
  args: readonly string[],
  declared: readonly (Flag | string)[],
  environment: Environment,
  positionals: readonly Positional[] = [],
): FlagReader {
  const flags = new Map(
    declared.map((each) => (typeof each === 'string' ? [each, { name: each, meaning: '' }] : [each.name, each])),
  );
  const { values, words } = parse(args, flags);
  const named = nameWords(words, positionals);

  function known(name: string): Flag {
    const flag = flags.get(name);
    if (flag === undefined) throw new Error(`--${name} is read, but not declared.`);
    return flag;
  }

  function ofVariable(variable: string | undefined): Given | undefined {
    const value = variable === undefined ? undefined : environment[variable]?.trim();
    return variable !== undefined && value ? { name: variable, value } : undefined;
  }

  return {
    given(name, variable = known(name).variable) {
      const value = values.get(name)?.at(-1)?.trim();
      return value ? { name: `--${name}`, value } : ofVariable(variable);
    },
    text(name) {
      const value = values.get(known(name).name)?.at(-1);
      if (value === '') throw new UsageError(`--${name} is empty.`);
      return value ?? ofVariable(known(name).variable)?.value;
    },
    choice<T extends string>(name: string) {
      const given = this.given(name);
      const { choices = [] } = known(name);
      if (given === undefined || choices.includes(given.value)) return given?.value as T | undefined;
      throw wrong(given, oneOf(choices));
    },
    isOn(name) {
      if (values.has(known(name).name)) return true;
      const given = ofVariable(known(name).variable);
      if (given === undefined || /^(?:0|false|no|off)$/i.test(given.value)) return false;
      if (/^(?:1|true|yes|on)$/i.test(given.value)) return true;
      throw wrong(given, 'true or false');
    },
    all: (name) => (values.get(known(name).name) ?? []).map((value) => ({ name: `--${name}`, value })),
    positional: (name) => named.get(name)?.[0],
    positionals: (name) => named.get(name) ?? [],
  };
}

function parse(args: readonly string[], flags: ReadonlyMap<string, Flag>) {
  const type = ({ kind }: Flag) => (kind === 'boolean' ? ('boolean' as const) : ('string' as const));
  const options = Object.fromEntries([...flags].map(([name, flag]) => [name, { type: type(flag), multiple: true }]));
  // Not strict: what it says of mistakes would be its own words, and more of them than one sentence.
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = flags.get(token.name);
    if (flag === undefined || !token.rawName.startsWith('--')) throw unknownFlag(token.rawName, [...flags.keys()]);
    const value = readValue(flag, token.value, token.inlineValue === true);
    const before = flag.kind === 'repeated' ? values.get(flag.name) : undefined;
    values.set(flag.name, [...(before ?? []), value]);
  }
  return { values, words };
}

function readValue({ name, kind }: Flag, value: string | undefined, isInline: boolean): string {
  if (kind === 'boolean') {
    if (value === undefined) return '';
    throw new UsageError(`--${name} takes no value.`);
  }
  // What looks like the next flag is meant as one; a value that begins so can be given behind a =.
  if (value === undefined || (!isInline && /^-./.test(value))) throw new UsageError(`--${name} needs a value.`);
  return value;
}

function unknownFlag(given: string, known: readonly string[]): UsageError {
  const meant = nearest(given.replace(/^-+/, ''), known);
  const hint = meant === undefined ? '' : `, did you mean --${meant}?`;
  return new UsageError(`${given} is not a flag here${hint || ';'} --help lists the flags.`);
}

function nameWords(words: readonly string[], positionals: readonly Positional[]) {
  const named = new Map<string, readonly string[]>();
  let at = 0;
  for (const { name, choices, optional = false, many = false } of positionals) {
    const taken = words.slice(at, many ? undefined : at + 1);
    if (taken.includes('')) throw new UsageError(`<${name}> is empty.`);
    if (taken.length === 0 && !optional) throw new UsageError(`<${name}> is missing; --help says more.`);
    const odd = taken.find((word) => choices !== undefined && !choices.includes(word));
    if (odd !== undefined) throw wrong({ name: `<${name}>`, value: odd }, oneOf(choices));
    named.set(name, taken);
    at += taken.length;
  }
  const extra = words[at];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many; --help says more.`);
  return named;
}

const oneOf = (choices: readonly string[] = []) => `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;

export function whole(given: Given | undefined, fallback: number, min: number, max: number): number {
  if (given === undefined) return fallback;
  const number = /^\d{1,12}$/.test(given.value) ? Number(given.value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw wrong(given, `a whole number from ${min} to ${max}`);
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `15s`, `2m`, `1h`, `7d`. Undefined when it is no such text. */
export function parseDurationMs(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return digits === '' ? undefined : Number(digits) * (unitsMs[unit] as number);
}

export function durationMs(given: Given | undefined, fallback: number, min: number, max: number): number {
  if (given === undefined) return fallback;
  const ms = parseDurationMs(given.value);
  if (ms !== undefined && ms >= min && ms <= max) return ms;
  throw wrong(given, `a time such as 500ms, 15s or 2m`);
}

export function wrong({ name, value }: Given, expected: string): UsageError {
  return new UsageError(`${name} is "${value}", but must be ${expected}.`);
}
