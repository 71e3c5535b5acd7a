import { expect, test } from 'vitest';
import { UsageError } from '../command.js';
import type { Environment } from '../environment.js';
import { readFlags } from '../flags.js';
import { readOptions as readGiven, simulateFlags } from './options.js';

const readOptions = (args: readonly string[], environment: Environment) =>
  readGiven(readFlags(args, simulateFlags, environment), environment);

test('without anything it is 20,000 events of which 6,000 repeat, to the local gateway', () => {
  const { run, ...options } = readOptions([], { GATEWAY_GRPC_PORT: '50091' });
  expect(options).toEqual({
    count: 20_000,
    repeats: 6_000,
    conflicts: 0,
    rate: 0,
    storm: false,
    verify: false,
    concurrency: 50,
    topics: ['auth', 'payment', 'orders'],
    batchSize: 100,
    wait: 'stored',
    seeded: false,
    target: '127.0.0.1:50091',
    query: '127.0.0.1:50052',
  });
  expect(readOptions(['--target', 'far:1'], { QUERY_GRPC_PORT: '2' }).query).toBe('far:2');
  expect(readOptions(['--target', 'far:1'], { QUERY_URL: 'query:3' }).query).toBe('query:3');
  expect(readOptions([], {}).run).not.toBe(run);
  expect(readOptions([], {}).target).toBe('127.0.0.1:50051');
});

test('variables do what flags do, flags go before them, and an empty variable is none', () => {
  const environment = {
    COUNT: '10',
    DUP_RATE: '0.5',
    CONCURRENCY: '2',
    TOPICS: 'a, b',
    BATCH_SIZE: '3',
    TARGET_URL: 'http://localhost:8080/publish',
  };
  const { repeats, topics, target, ...rest } = readOptions(['--count', '11', '--seed', 'x'], environment);
  expect({ repeats, topics, target }).toEqual({ repeats: 6, topics: ['a', 'b'], target: environment.TARGET_URL });
  expect(rest).toMatchObject({ count: 11, concurrency: 2, batchSize: 3, run: 'x', seeded: true });
  expect(readOptions([], { COUNT: '', TARGET_URL: ' ' })).toMatchObject({ count: 20_000, target: '127.0.0.1:50051' });
});

test.each([
  [['--count', 'many'], {}, '--count is "many", but must be a whole number from 1 to 10000000.'],
  [[], { COUNT: '0' }, 'COUNT is "0", but must be a whole number from 1 to 10000000.'],
  [['--dup-rate', '30%'], {}, '--dup-rate is "30%", but must be a number from 0 to 1, such as 0.3.'],
  [['--dup-rate', '1'], {}, '--dup-rate 1 of 20000 leaves no event that could be repeated.'],
  [['--conflict-rate', '0.4'], {}, '--conflict-rate is "0.4", but conflicts are repeats, and fewer are asked for.'],
  [
    ['--conflict-rate', '.1', '--wait', 'broker'],
    {},
    '--conflict-rate needs --wait stored: what comes second is only known once the first is stored.',
  ],
  [['--rate', '-1'], {}, '--rate needs a value.'],
  [['--topics', 'a,,b'], {}, '--topics is "a,,b", but must be names with commas between them.'],
  [['--wait', 'both'], {}, '--wait is "both", but must be stored or broker.'],
  [['--seed', 'a b'], {}, '--seed is "a b", but must be 1 to 64 letters, digits, - and _.'],
  [[], { GATEWAY_GRPC_PORT: 'x' }, 'GATEWAY_GRPC_PORT is "x", but must be a whole number from 1 to 65535.'],
  [
    ['--target', 'localhost'],
    {},
    '--target is "localhost", but must be an address such as 127.0.0.1:50051 or a URL such as http://127.0.0.1:8080.',
  ],
  [['--speed', '1'], {}, '--speed is not a flag here, did you mean --seed? --help lists the flags.'],
])('%j with %j is refused in one sentence', (args, environment, sentence) => {
  expect(() => readOptions(args, environment)).toThrow(new UsageError(sentence));
});
