import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventsieveError } from '@eventsieve/contract/errors';
import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { gatewayMetrics } from '@eventsieve/contract/metric-names';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { beforeEach, expect, inject, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { scrape } from './support/exposition.js';
import { type Planned, planCopies } from './support/publishers.js';
import { batchesOf, type Streamed, streamAll } from './support/stream-publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let nats: Nats;
let system: System;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-stream-'));
  nats = await startNats({ storeDir: join(folder, 'nats'), binary: inject('natsBinary') });
  system = await startSystem({ natsUrl: nats.url, query: false, environment: { ACK_WAIT: '2s' } });
  await waitUntil('the gateway to be well', async () => (await fetch(healthUrl())).ok);
  return async () => {
    await system.stop();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

const healthUrl = () => `http://${system.gateway.addresses.metrics}/health`;
const either = (index: number) => (index % 3 === 0 ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER);
const idsOf = (copies: readonly Planned[]) => new Set(copies.map(({ eventId }) => eventId));
const pause = () => new Promise((resolve) => setTimeout(resolve, 100));

test('the events of a stream are read in the order in which they were sent, whatever they wait for', async () => {
  const planned = planCopies(3_000, 0, 'order');
  const { answered, done } = streamAll(batchesOf(planned, 7), { makeClient: system.ingest, waitFor: either });
  await done;
  expect(answered.map(({ eventId }) => eventId)).toEqual(planned.map(({ eventId }) => eventId));
  await drained(system, 1);
  const { rows } = await system.database.pool.query<{ event_id: string; position: string }>(
    'select event_id, position::text from events order by events.position',
  );
  expect(rows.map(({ event_id }) => event_id)).toEqual(planned.map(({ eventId }) => eventId));
  const stored = answered.filter(({ outcome }) => outcome === Outcome.OUTCOME_STORED);
  expect(stored.length).toBeGreaterThan(900);
  const positions = new Map(rows.map(({ event_id, position }) => [event_id, position]));
  for (const { eventId, position } of stored) expect(String(position)).toBe(positions.get(eventId));
}, 60_000);

test('a gateway that is stopped under streams has answered for everything that it took, and sends them away', async () => {
  const ends: EventsieveError[] = [];
  const streams = Array.from({ length: 4 }, (_, i) =>
    streamAll(batchesOf(planCopies(100_000, 0.3, `stopped-${i}`), 20), {
      makeClient: system.ingest,
      waitFor: i % 2 === 0 ? either : () => WaitFor.WAIT_FOR_BROKER,
      async onEnded(error) {
        ends.push(error);
        return 'enough';
      },
    }),
  );
  await waitUntil('answers on each', () => streams.every(({ answered }) => answered.length > 500));
  // Within DRAIN_TIMEOUT, or it would be 1.
  expect((await system.gateway.stop()).code).toBe(0);
  await Promise.all(streams.map(({ done }) => done));
  expect(ends).toHaveLength(4);
  for (const end of ends) expect(end).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING', retryAfterMs: 500 });

  system.gateway = await system.startGateway();
  const answered = streams.flatMap((each) => each.answered);
  await drained(system, 1);
  const { unique, duplicates } = await auditedTotals(system.database);
  await expectAllStored(system.database, answered);
  expect(unique).toBe(idsOf(answered).size);
  expect(unique + duplicates).toBe(answered.length);
}, 90_000);

test('through a broker and a gateway that are killed nothing that was answered is lost, and nothing is stored twice', async () => {
  const ends: EventsieveError[] = [];
  const plans = Array.from({ length: 4 }, (_, i) => planCopies(30_000, 0.3, `killed-${i}`));
  const streams: Streamed[] = plans.map((planned, i) =>
    streamAll(batchesOf(planned, 25), {
      makeClient: system.ingest,
      waitFor: i % 2 === 0 ? either : () => WaitFor.WAIT_FOR_BROKER,
      async onEnded(error) {
        ends.push(error);
        await pause();
        return 'again';
      },
    }),
  );
  const answers = () => streams.reduce((sum, { answered }) => sum + answered.length, 0);
  const more = async (than: number) => {
    const before = answers();
    await waitUntil('more answers', () => answers() > before + than, { timeoutMs: 60_000 });
  };
  await more(3_000);
  // So that something is on its way for certain, and lost.
  process.kill(nats.pid as number, 'SIGSTOP');
  const unacked = async () => (await scrape(system.gateway)).value(gatewayMetrics.unackedMessages.name) ?? 0;
  await waitUntil('much to be on its way', async () => (await unacked()) > 1_500);
  await nats.kill();
  await waitUntil('streams to end', () => ends.length >= 4);
  await nats.restart();
  await more(3_000);
  await system.gateway.kill();
  system.gateway = await system.startGateway();
  await Promise.all(streams.map(({ done }) => done));
  expect(new Set(ends.map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']));

  const answered = streams.flatMap((each) => each.answered);
  expect(answered).toHaveLength(120_000);
  await drained(system, 1, 120_000);
  const { unique, duplicates } = await auditedTotals(system.database);
  await expectAllStored(system.database, answered);
  expect(unique).toBe(idsOf(plans.flat()).size);
  expect(unique + duplicates).toBeGreaterThanOrEqual(answered.length);
}, 240_000);
