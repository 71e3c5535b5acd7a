import { randomBytes } from 'node:crypto';
import { UsageError } from '../command.js';
import type { Environment } from '../environment.js';
import type { Flag } from '../flag.js';
import { type FlagReader, type Given, whole, wrong } from '../flags.js';

export interface SimulateOptions {
  readonly count: number;
  /** How many of the copies repeat an event sent before. */
  readonly repeats: number;
  /** How many of the repeats have another payload. */
  readonly conflicts: number;
  readonly concurrency: number;
  readonly topics: readonly string[];
  readonly batchSize: number;
  /** Copies in a second; 0: as many as there can be. */
  readonly rate: number;
  /** Repeats are whole requests sent again. */
  readonly storm: boolean;
  readonly wait: 'broker' | 'stored';
  readonly verify: boolean;
  /** In every id and in the source. */
  readonly run: string;
  /** The run was named by a seed, so its events may have been sent before. */
  readonly seeded: boolean;
  readonly target: string;
  /** Where a gRPC target's events are read; an http target has the answer itself. */
  readonly query: string;
}

const defaultTopics = 'auth,payment,orders';

export const simulateFlags: readonly Flag[] = [
  { name: 'count', value: 'n', variable: 'COUNT', fallback: '20000', meaning: 'copies to send' },
  { name: 'dup-rate', value: 'part', variable: 'DUP_RATE', fallback: '0.30', meaning: 'of them repeats, from 0 to 1' },
  {
    name: 'conflict-rate',
    value: 'part',
    fallback: '0',
    meaning: 'of them repeats with another payload: among --dup-rate',
  },
  {
    name: 'retry-storm',
    kind: 'boolean',
    meaning: 'repeats are whole requests sent again, in bursts and in another order',
  },
  { name: 'concurrency', value: 'n', variable: 'CONCURRENCY', fallback: '50', meaning: 'requests at a time' },
  { name: 'batch-size', value: 'n', variable: 'BATCH_SIZE', fallback: '100', meaning: 'events in a request' },
  { name: 'rate', value: 'n', fallback: '0', meaning: 'copies in a second; 0: as fast as it goes' },
  { name: 'topics', value: 'a,b', variable: 'TOPICS', fallback: defaultTopics, meaning: 'one is drawn for each event' },
  { name: 'wait', choices: ['stored', 'broker'], fallback: 'stored', meaning: 'what an answer waits for' },
  { name: 'verify', kind: 'boolean', meaning: 'compares the run with what the server holds afterwards' },
  { name: 'seed', value: 'word', meaning: 'letters, digits, - and _: a run that can be repeated' },
  {
    name: 'target',
    value: 'address',
    variable: 'TARGET_URL',
    fallback: 'the local gateway',
    meaning: 'host:port (gRPC), or an http URL with or without /publish',
  },
  {
    name: 'query',
    value: 'host:port',
    variable: 'QUERY_URL',
    fallback: "the target's host",
    meaning: 'the query service of a gRPC target, for late verdicts and --verify',
  },
];

// Up to here the plan's arithmetic is exact.
const maxCount = 10_000_000;
// What the server tells of a source at once.
const maxTopicsVerified = 1_000;

export function readOptions(given: FlagReader, environment: Environment): SimulateOptions {
  const count = whole(given.given('count'), 20_000, 1, maxCount);
  const dupRate = given.given('dup-rate') ?? { name: '--dup-rate', value: '0.30' };
  const repeats = Math.round(count * readPart(dupRate));
  if (repeats === count) {
    throw new UsageError(`${dupRate.name} ${dupRate.value} of ${count} leaves no event that could be repeated.`);
  }
  const conflictRate = given.given('conflict-rate') ?? { name: '--conflict-rate', value: '0' };
  const conflicts = Math.round(count * readPart(conflictRate));
  if (conflicts > repeats) {
    throw new UsageError(
      `${conflictRate.name} is "${conflictRate.value}", but conflicts are repeats, and fewer are asked for.`,
    );
  }

  const topicsGiven = given.given('topics') ?? { name: '--topics', value: defaultTopics };
  const topics = topicsGiven.value.split(',').map((topic) => topic.trim());
  if (topics.includes('')) throw wrong(topicsGiven, 'names with commas between them');

  const wait = given.choice<'stored' | 'broker'>('wait') ?? 'stored';
  if (conflicts > 0 && wait === 'broker') {
    throw new UsageError(
      '--conflict-rate needs --wait stored: what comes second is only known once the first is stored.',
    );
  }
  const verify = given.isOn('verify');
  if (verify && topics.length > maxTopicsVerified) {
    throw new UsageError(`--verify looks at ${maxTopicsVerified} topics at most.`);
  }
  const seedGiven = given.given('seed');
  if (seedGiven !== undefined && !/^[\w-]{1,64}$/.test(seedGiven.value)) {
    throw wrong(seedGiven, '1 to 64 letters, digits, - and _');
  }

  const target = readTarget(given.given('target'), environment);
  return {
    count,
    repeats,
    conflicts,
    concurrency: whole(given.given('concurrency'), 50, 1, 1_000),
    topics,
    batchSize: whole(given.given('batch-size'), 100, 1, 10_000),
    rate: whole(given.given('rate'), 0, 0, 10_000_000),
    storm: given.isOn('retry-storm'),
    wait,
    verify,
    run: seedGiven?.value ?? randomBytes(6).toString('hex'),
    seeded: seedGiven !== undefined,
    target,
    query: readQuery(given.given('query'), target, environment),
  };
}

function readPart(given: Given): number {
  const part = /^(?:\d+\.?\d*|\.\d+)$/.test(given.value) ? Number(given.value) : Number.NaN;
  if (part >= 0 && part <= 1) return part;
  throw wrong(given, 'a number from 0 to 1, such as 0.3');
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
