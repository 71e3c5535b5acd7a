import { parseFlags } from '@eventsieve/embedded/run-tool';
import { controls } from './controls/catalog.js';
import type { Control } from './controls/control.js';
import { rounds } from './rounds/catalog.js';
import type { Round } from './rounds/round.js';

export interface Options {
  readonly seed: string;
  readonly minutes: number;
  readonly rounds: readonly Round[];
  readonly fuzz: boolean;
  readonly controls: readonly Control[];
  /** The options that the seed is the same with. */
  readonly again: string;
  readonly json: string | undefined;
  readonly keep: string | undefined;
}

const defaultMinutes = 18;
const fuzzName = 'fuzz';

export const help = `Usage: npm run test:faults -- [options]

Real processes and real servers, broken again and again under load; then what is left is held against what was answered.

  --seed TEXT        what the faults and loads follow from; printed, and a new one by default
  --minutes NUMBER   for all rounds together (default ${defaultMinutes})
  --only NAME,…      these rounds: ${rounds.map(({ name }) => name).join(', ')}, ${fuzzName}
  --controls         instead of rounds, the system with one rule left out at a time, in which the suite must find
                     something: ${controls.map(({ name }) => name).join(', ')}
  --json FILE        the reports, as JSON
  --keep FOLDER      the logs of the rounds in which something was found
  --help

Exit code 0 when nothing was found, 1 when something was, 2 for wrong options.
`;

/** Undefined when help was asked for. */
export function readOptions(args: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const values = parseFlags(args, {
    seed: text,
    minutes: text,
    only: text,
    controls: { type: 'boolean' },
    json: text,
    keep: text,
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) return undefined;
  const minutes = values.minutes === undefined ? defaultMinutes : Number(values.minutes);
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error(`--minutes is "${values.minutes}", but must be a number.`);
  const names = values.only?.split(',').map((name) => name.trim());
  const fuzz = !values.controls && (names === undefined || names.includes(fuzzName));
  const roundNames = names?.filter((name) => name !== fuzzName);
  const chosen = values.controls ? [] : chooseNamed(rounds, roundNames);
  const broken = values.controls ? chooseNamed(controls, names) : [];
  const seed = values.seed ?? Math.random().toString(36).slice(2, 10);
  const only = values.only === undefined ? '' : ` --only ${values.only}`;
  const again = `${values.controls ? '--controls' : `--minutes ${minutes}`}${only}`;
  return { seed, minutes, rounds: chosen, fuzz, controls: broken, again, json: values.json, keep: values.keep };
}

function chooseNamed<T extends { readonly name: string }>(from: readonly T[], names: readonly string[] | undefined) {
  if (names === undefined) return from;
  return names.map((name) => {
    const found = from.find((each) => each.name === name);
    if (found) return found;
    throw new Error(`--only names "${name}", but there are ${from.map((each) => each.name).join(', ')}.`);
  });
}
