import { randomBytes } from 'node:crypto';
import { UsageError } from '../command.js';
import type { Environment } from '../environment.js';
import { type Given, readFlags, whole, wrong } from '../flags.js';

export interface SimulateOptions {
  readonly count: number;
  /** How many of the copies repeat an event sent before. */
  readonly repeats: number;
  readonly concurrency: number;
  readonly topics: readonly string[];
  readonly batchSize: number;
  readonly wait: 'broker' | 'stored';
  /** In every id and in the source. */
  readonly run: string;
  /** The run was named by a seed, so its events may have been sent before. */
  readonly seeded: boolean;
  readonly target: string;
  /** Where verdicts that came too late are looked up; an http target has the answer itself. */
  readonly query: string;
}

/** Flag, variable, default, meaning: what --help shows. */
export const simulateFlags = [
  ['count', 'COUNT', '20000', 'copies to send'],
  ['dup-rate', 'DUP_RATE', '0.30', 'the part of them that repeats, from 0 to 1'],
  ['concurrency', 'CONCURRENCY', '50', 'requests at a time'],
  ['topics', 'TOPICS', 'auth,payment,orders', 'one is drawn for each event'],
  ['batch-size', 'BATCH_SIZE', '100', 'events in a request'],
  ['wait', '', 'stored', 'stored or broker: what the answer waits for'],
  ['seed', '', '', 'letters, digits, - and _: a run that can be repeated'],
  ['target', 'TARGET_URL', 'the local gateway', 'host:port (gRPC), or an http URL with or without /publish'],
  ['query', 'QUERY_URL', "the target's host", 'host:port of the query service, for verdicts that come late'],
] as const;

// Up to here the plan's arithmetic is exact.
const maxCount = 10_000_000;

export function readOptions(args: readonly string[], environment: Environment): SimulateOptions {
  const flags = readFlags(
    args,
    simulateFlags.map(([flag]) => flag),
    environment,
  );
  const count = whole(flags.given('count', 'COUNT'), 20_000, 1, maxCount);

  const rateGiven = flags.given('dup-rate', 'DUP_RATE') ?? { name: '--dup-rate', value: '0.30' };
  const rate = /^(?:\d+\.?\d*|\.\d+)$/.test(rateGiven.value) ? Number(rateGiven.value) : Number.NaN;
  if (!(rate >= 0 && rate <= 1)) throw wrong(rateGiven, 'a number from 0 to 1, such as 0.3');
  const repeats = Math.round(count * rate);
  if (repeats === count) {
    throw new UsageError(`${rateGiven.name} ${rateGiven.value} of ${count} leaves no event that could be repeated.`);
  }

  const topicsGiven = flags.given('topics', 'TOPICS') ?? { name: '--topics', value: 'auth,payment,orders' };
  const topics = topicsGiven.value.split(',').map((topic) => topic.trim());
  if (topics.includes('')) throw wrong(topicsGiven, 'names with commas between them');

  const waitGiven = flags.given('wait');
  const wait = waitGiven?.value ?? 'stored';
  if (waitGiven !== undefined && wait !== 'stored' && wait !== 'broker') throw wrong(waitGiven, 'stored or broker');

  const seedGiven = flags.given('seed');
  if (seedGiven !== undefined && !/^[\w-]{1,64}$/.test(seedGiven.value)) {
    throw wrong(seedGiven, '1 to 64 letters, digits, - and _');
  }

  const target = readTarget(flags.given('target', 'TARGET_URL'), environment);
  return {
    count,
    repeats,
    concurrency: whole(flags.given('concurrency', 'CONCURRENCY'), 50, 1, 1_000),
    topics,
    batchSize: whole(flags.given('batch-size', 'BATCH_SIZE'), 100, 1, 10_000),
    wait: wait as 'stored' | 'broker',
    run: seedGiven?.value ?? randomBytes(6).toString('hex'),
    seeded: seedGiven !== undefined,
    target,
    query: readQuery(flags.given('query', 'QUERY_URL'), target, environment),
  };
}

const address = /^(?:grpc:\/\/)?(?:[^\s/:]+|\[[\da-f:]+\]):\d{1,5}$/i;

function readTarget(given: Given | undefined, environment: Environment): string {
  if (given === undefined) return `127.0.0.1:${portOf(environment, 'GATEWAY_GRPC_PORT', 50_051)}`;
  const { value } = given;
  if (/^https?:\/\//i.test(value) ? URL.canParse(value) : address.test(value)) return value;
  throw wrong(given, 'an address such as 127.0.0.1:50051 or a URL such as http://127.0.0.1:8080');
}

function readQuery(given: Given | undefined, target: string, environment: Environment): string {
  if (given === undefined) return target.replace(/:\d+$/, `:${portOf(environment, 'QUERY_GRPC_PORT', 50_052)}`);
  if (address.test(given.value)) return given.value;
  throw wrong(given, 'an address such as 127.0.0.1:50052');
}

function portOf(environment: Environment, name: string, fallback: number): number {
  const value = environment[name]?.trim();
  return whole(value ? { name, value } : undefined, fallback, 1, 65_535);
}
