import { parseFlags } from '@eventsieve/embedded/run-tool';

export interface GhzOptions {
  /** A gateway that runs already. */
  readonly target: string | undefined;
  /** What ghz is told beside the config. */
  readonly ghzFlags: readonly string[];
  /** For people. */
  readonly load: string;
}

export const ghzHelp = `npm run bench:ghz: ghz publishes single events with random ids (bench/ghz/publish.json).

Without --target it starts an instance of its own in a scratch folder, and holds the server's counts against the number
of answers that ghz got: the exit code is 1 when they differ, or when a call failed.

  --duration 20s       how long; 500ms, 20s, 2m
  --total N            that many calls instead
  --concurrency 50     calls at a time
  --connections 4
  --target host:port   a gateway that runs already; its counts are not checked

  npm run bench:ghz -- --duration 5s
  npm run bench:ghz -- --total 10000 --target 127.0.0.1:50051`;

/** Undefined: only the help is wanted. A wrong flag is an Error with one sentence. */
export function readGhzOptions(args: readonly string[]): GhzOptions | undefined {
  const text = { type: 'string' } as const;
  const values = parseFlags(args, {
    help: { type: 'boolean', short: 'h' },
    duration: text,
    total: text,
    concurrency: text,
    connections: text,
    target: text,
  });
  if (values.help) return undefined;
  const { duration, total, concurrency = '50', connections = '4', target } = values;
  if (duration !== undefined && total !== undefined) throw new Error('--duration and --total exclude each other.');
  for (const [flag, value] of Object.entries({ total, concurrency, connections })) {
    if (value !== undefined && !/^[1-9]\d{0,8}$/.test(value)) {
      throw new Error(`--${flag} is "${value}", but must be a whole number from 1.`);
    }
  }
  if (duration !== undefined && !/^\d{1,6}(?:ms|s|m)$/.test(duration)) {
    throw new Error(`--duration is "${duration}", but must be a duration such as 500ms, 20s or 2m.`);
  }
  if (Number(connections) > Number(concurrency)) throw new Error('--connections must not be more than --concurrency.');
  const length = total === undefined ? ['--duration', duration ?? '20s'] : ['--total', total];
  if (target !== undefined && !/^[^\s/]+:\d{1,5}$/.test(target)) {
    throw new Error(`--target is "${target}", but must be an address such as 127.0.0.1:50051.`);
  }
  return {
    target,
    ghzFlags: [...length, '--concurrency', concurrency, '--connections', connections],
    load: `${total === undefined ? `for ${duration ?? '20s'}` : `${total} calls`}, ${concurrency} at a time over ${connections} connections`,
  };
}
