import type { Bench } from '../bench-context.js';
import { bigSystem } from './big-system.js';
import { runDiskCase } from './disk-case.js';
import { runDropDayCase } from './drop-day-case.js';
import { followCases, runFollowCase } from './follow-cases.js';
import { runLatencyCase } from './latency-cases.js';
import { messageCases, runMessageCase } from './message-cases.js';
import { publishCases, runPublishCase } from './publish-cases.js';
import { readCases, runReadCase } from './read-cases.js';
import { runRecoveryCase } from './recovery-case.js';
import { runStartUpCase } from './start-up-case.js';

export interface Case {
  readonly name: string;
  readonly about: string;
  readonly run: (bench: Bench) => Promise<void>;
}

/** In the order in which they run. A case that another has needed is not run again. */
export const cases: readonly Case[] = [
  {
    name: 'ceiling',
    about: 'what Postgres alone can insert: same rows, keys and indexes',
    run: async (bench) => void (await bench.ceiling()),
  },
  {
    name: 'grpc-noop',
    about: 'the gRPC library, an empty handler',
    run: async (bench) => void (await bench.noop('grpc')),
  },
  {
    name: 'http-noop',
    about: 'the HTTP library, an empty handler',
    run: async (bench) => void (await bench.noop('http')),
  },
  ...publishCases.map((each) => ({
    name: each.name,
    about: each.about,
    run: (bench: Bench) => bench.once(each.name, () => runPublishCase(bench, each)),
  })),
  {
    name: 'latency-broker',
    about: 'BROKER calls of 100 events at half of the top rate',
    run: (bench) => runLatencyCase(bench, 'latency-broker', false),
  },
  {
    name: 'latency-stored',
    about: 'STORED calls of 100 events at half of the top rate',
    run: (bench) => runLatencyCase(bench, 'latency-stored', true),
  },
  ...messageCases.map((each) => ({
    name: each.name,
    about: each.about,
    run: (bench: Bench) => runMessageCase(bench, each),
  })),
  { name: 'recovery', about: 'a million waiting messages', run: runRecoveryCase },
  {
    name: 'growth',
    about: 'the rate at 0, 1, 2 and, four times as long, at 5 million keys',
    run: async (bench) => void (await bigSystem(bench)),
  },
  ...readCases.map((each) => ({
    name: each.name,
    about: each.about,
    run: (bench: Bench) => runReadCase(bench, each),
  })),
  ...followCases.map((each) => ({
    name: each.name,
    about: each.about,
    run: (bench: Bench) => runFollowCase(bench, each),
  })),
  { name: 'drop-day', about: 'a day of a million events is dropped, 5,000 a second arriving', run: runDropDayCase },
  { name: 'disk', about: 'bytes on disk for an event', run: runDiskCase },
  { name: 'start-up', about: 'from the command to the ready line', run: runStartUpCase },
];
