import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzzDoors } from './faults/fuzz/fuzz-doors.js';
import { randomOf } from './faults/random.js';
import { type System, startSystem } from './support/system.js';

const seed = process.env.FUZZ_SEED ?? Math.random().toString(36).slice(2, 10);

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

test(`whatever comes over the wire, each door answers by the contract and stays as it was (FUZZ_SEED=${seed})`, async () => {
  const [gateway, worker, query] = system.processes();
  const named = Object.entries({ gateway, worker, query }).flatMap(([name, process]) =>
    process ? [{ name, pid: () => process.child.pid, output: process.output }] : [],
  );
  const { sent, findings } = await fuzzDoors(randomOf(seed), {
    doors: {
      http: system.http,
      gateway: system.gatewayAddress,
      query: system.queryAddress,
      pool: system.database.pool,
      processes: named,
    },
    seconds: Number(process.env.FUZZ_SECONDS ?? 8),
    idlePerPort: 200,
    stop: new AbortController().signal,
    say: () => undefined,
  });
  expect(findings).toEqual([]);
  for (const kind of ['Publish', 'POST /publish', 'questions', 'URLs', 'gRPC shapes', 'nonsense', 'HTTP shapes'])
    expect(sent[kind] ?? 0, kind).toBeGreaterThan(10);
  expect(Math.min(sent.taken ?? 0, sent.refused ?? 0)).toBeGreaterThan(10);
}, 600_000);
