import type { Bench } from '../bench-context.js';
import type { CaseResult } from '../result.js';
import { measurePublishing, type PublishPlan } from './measure-load.js';

export interface PublishCase {
  readonly name: string;
  readonly about: string;
  readonly plan: PublishPlan;
  /** A baseline, or a case before this one. */
  readonly of: 'ceiling' | 'grpc-noop' | 'http-noop' | 'stored-batch100-struct' | 'stored-batch100-json';
}

const grpc = { door: 'grpc' } as const;
const http = { door: 'http', stored: true, connections: 50, inFlight: 50 } as const;
const single = { ...grpc, batch: 1, connections: 4, inFlight: 50 } as const;

export const publishCases: readonly PublishCase[] = [
  { name: 'stored-batch100-struct', about: 'gRPC, 100 events a call, Struct, BROKER', plan: grpc, of: 'ceiling' },
  {
    name: 'stored-batch100-json',
    about: 'gRPC, 100 events a call, payload_json, BROKER',
    plan: { ...grpc, payload: 'json' },
    of: 'ceiling',
  },
  {
    name: 'producer-batch100',
    about: "the client's producer, event by event, calls of 100, payload_json, BROKER",
    plan: { ...grpc, door: 'producer', payload: 'json' },
    of: 'stored-batch100-json',
  },
  {
    name: 'dups-batch100',
    about: 'gRPC, 100 events a call, Struct, BROKER, all of them repeats',
    plan: { ...grpc, repeats: 1 },
    of: 'stored-batch100-struct',
  },
  {
    name: 'dups30-batch100',
    about: 'gRPC, 100 events a call, Struct, BROKER, 30 % repeats',
    plan: { ...grpc, repeats: 0.3 },
    of: 'stored-batch100-struct',
  },
  {
    name: 'wait-stored-batch100',
    about: 'gRPC, 100 events a call, Struct, STORED',
    plan: { ...grpc, stored: true, inFlight: 32 },
    of: 'ceiling',
  },
  {
    name: 'stored-batch10',
    about: 'gRPC, 10 events a call, Struct, BROKER',
    plan: { ...grpc, batch: 10, inFlight: 32 },
    of: 'ceiling',
  },
  {
    name: 'stored-batch1000',
    about: 'gRPC, 1000 events a call, Struct, BROKER',
    plan: { ...grpc, batch: 1000, inFlight: 4 },
    of: 'ceiling',
  },
  {
    name: 'stream-batch100',
    about: 'PublishStream, 100 events a request, Struct, BROKER',
    plan: { ...grpc, door: 'grpc-stream' },
    of: 'ceiling',
  },
  {
    name: 'stream-single',
    about: 'PublishStream, one event a request, BROKER, 50 at once over 4 streams',
    plan: { ...single, door: 'grpc-stream' },
    of: 'grpc-noop',
  },
  { name: 'grpc-single', about: 'gRPC, one event a call, BROKER, 50 calls at once', plan: single, of: 'grpc-noop' },
  {
    name: 'grpc-single-stored',
    about: 'gRPC, one event a call, STORED, 50 calls at once',
    plan: { ...single, stored: true },
    of: 'grpc-noop',
  },
  {
    name: 'http-single',
    about: 'HTTP, one event a POST, STORED, 50 connections',
    plan: { ...http, batch: 1 },
    of: 'http-noop',
  },
  {
    name: 'http-single-dups30',
    about: 'HTTP, one event a POST, STORED, 50 connections, 30 % repeats',
    plan: { ...http, batch: 1, repeats: 0.3 },
    of: 'http-noop',
  },
  {
    name: 'http-array50',
    about: 'HTTP, arrays of 50, STORED, 20 % repeats',
    plan: { ...http, batch: 50, repeats: 0.2 },
    of: 'ceiling',
  },
];

export async function runPublishCase(bench: Bench, { name, plan, of }: PublishCase): Promise<void> {
  const { result, base, more } = await measureBeside(bench, of, () => measurePublishing(bench, name, plan));
  const ratio = result.eventsPerSecond === undefined ? undefined : result.eventsPerSecond / base;
  bench.add({ ...result, of, ratio, more: { ...result.more, ...more } });
}

async function measureBeside(bench: Bench, of: PublishCase['of'], measure: () => Promise<CaseResult>) {
  if (of !== 'ceiling') return { base: await baseline(bench, of), result: await measure(), more: {} };
  const { made, before, after } = await bench.besideCeiling(measure);
  const more = { ceilingBefore: Math.round(before), ceilingAfter: Math.round(after) };
  return { base: (before + after) / 2, result: made, more };
}

async function baseline(bench: Bench, of: Exclude<PublishCase['of'], 'ceiling'>): Promise<number> {
  if (of === 'grpc-noop') return bench.noop('grpc');
  if (of === 'http-noop') return bench.noop('http');
  if (!bench.results.has(of)) {
    await bench.once(of, () => runPublishCase(bench, publishCases.find(({ name }) => name === of) as PublishCase));
  }
  return bench.results.get(of)?.eventsPerSecond ?? Number.NaN;
}
