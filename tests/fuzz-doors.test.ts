import { expect, test } from 'vitest';
import { fuzzDoors } from './faults/fuzz/fuzz-doors.js';
import { randomOf } from './faults/random.js';
import { startSystem } from './support/system.js';

const seed = process.env.FUZZ_SEED ?? Math.random().toString(36).slice(2, 10);
const seconds = Number(process.env.FUZZ_SECONDS ?? 8);
const kinds = ['Publish', 'POST /publish', 'questions', 'URLs', 'gRPC shapes', 'nonsense', 'HTTP shapes'];

/** How often each kind was sent, and how often a door took and refused something. */
async function fuzz(forSeconds: number): Promise<Record<string, number>> {
  const system = await startSystem();
  try {
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
      seconds: forSeconds,
      idlePerPort: 200,
      stop: new AbortController().signal,
      say: () => undefined,
    });
    expect(findings).toEqual([]);
    return Object.fromEntries([...kinds, 'taken', 'refused'].map((kind) => [kind, sent[kind] ?? 0]));
  } finally {
    await system.stop();
  }
}

test(`whatever comes over the wire, each door answers by the contract and stays as it was (FUZZ_SEED=${seed})`, async () => {
  // How much comes through in a second is up to the machine.
  let sent = await fuzz(seconds);
  for (let more = 4; more <= 16 && Math.min(...Object.values(sent)) <= 10; more *= 4) sent = await fuzz(seconds * more);
  for (const [kind, times] of Object.entries(sent)) expect(times, kind).toBeGreaterThan(10);
}, 600_000);
