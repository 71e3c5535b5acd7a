import { parseFlags } from '@eventsieve/embedded/run-tool';
import { cases } from './cases/catalog.js';

export interface BenchOptions {
  readonly only: ReadonlySet<string> | undefined;
  readonly json: string | undefined;
  readonly seconds: number;
  readonly profile: string | undefined;
}

export const benchHelp = `npm run bench: how fast this machine is with eventsieve, everything on it: load, gateway, NATS, worker, Postgres.

It starts what it needs in a scratch folder, warms up, measures each case, holds what the server counted and stored against
what was sent, and prints a table. The exit code is 1 when any case was not exact.

  --only NAME,…     these cases; what they are divided by is measured, too
  --seconds 12      how long a case is measured
  --json FILE       the same figures as JSON
  --profile FOLDER  each service leaves a CPU profile there (DevTools and speedscope read it); costs speed

Cases:
${cases.map(({ name, about }) => `  ${name.padEnd(26)}${about}`).join('\n')}

  npm run bench -- --only stored-batch100-struct,stored-batch100-json
  npm run bench -- --json bench.json`;

/** Undefined: only the help is wanted. A wrong flag is an Error with one sentence. */
export function readBenchOptions(args: readonly string[]): BenchOptions | undefined {
  const text = { type: 'string' } as const;
  const values = parseFlags(args, {
    help: { type: 'boolean', short: 'h' },
    only: text,
    json: text,
    profile: text,
    seconds: text,
  });
  if (values.help) return undefined;
  const names = values.only?.split(',').map((name) => name.trim());
  for (const name of names ?? []) {
    if (!cases.some((each) => each.name === name)) {
      throw new Error(`--only names "${name}", which is no case; --help lists them.`);
    }
  }
  const seconds = Number(values.seconds ?? '12');
  if (!/^\d{1,4}$/.test(values.seconds ?? '12') || seconds < 1) {
    throw new Error(`--seconds is "${values.seconds}", but must be a whole number from 1.`);
  }
  return {
    only: names === undefined ? undefined : new Set(names),
    json: values.json,
    seconds,
    profile: values.profile,
  };
}
