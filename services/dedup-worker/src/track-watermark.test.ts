import { namesFor } from '@eventsieve/contract/names';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { neverGivesUp } from './consumer-config.js';
import { trackWatermark, type WatermarkTracker } from './track-watermark.js';

const created = '2026-01-01T00:00:00Z';
let tracker: WatermarkTracker;
let lookedAt: number[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'Date', 'setTimeout', 'clearTimeout'] });
  lookedAt = [];
});
afterEach(() => {
  tracker.stop();
  vi.useRealTimers();
});

/** On a stream that always holds one message more, so that there is always something to look for. */
function track(lookMs: number): void {
  let last = 1;
  const consumers = {
    async info() {
      lookedAt.push(performance.now());
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      const floor = { consumer_seq: 0, stream_seq: 0 };
      return { config: neverGivesUp, ack_floor: floor, delivered: floor, num_pending: 1, num_ack_pending: 0 };
    },
  };
  const streams = { info: async () => ({ created, state: { messages: 1, first_seq: last, last_seq: ++last } }) };
  tracker = trackWatermark({
    jsm: { consumers, streams } as unknown as JetStreamManager,
    pool: { query: async () => ({ rows: [{ position: '0' }] }) } as unknown as Pool,
    names: namesFor('t'),
    epoch: { epoch: 1, base: 0n, streamCreated: created, durable: 'd', mostAtOnce: 1 },
    logger: pino({ level: 'silent' }),
    metrics: { known: () => undefined, watermark: () => undefined },
    ackWaitMs: 10_000,
    onChanged: (why) => expect.unreachable(why),
    onStuck: (why) => expect.unreachable(why),
  });
}

/** Of the looks that were begun, how long after each other. */
const gaps = () => lookedAt.slice(1).map((at, index) => at - (lookedAt[index] as number));

test.each([
  { lookMs: 1, restMs: 30, why: 'is soon looked for again' },
  { lookMs: 8, restMs: 80, why: 'leaves ten times as long to others' },
  { lookMs: 2_000, restMs: 150, why: 'is not given up, however slow it is' },
])('what takes $lookMs ms $why', async ({ lookMs, restMs }) => {
  track(lookMs);
  await vi.advanceTimersByTimeAsync((lookMs + restMs) * 5 + lookMs);
  expect(gaps()).toEqual(new Array(5).fill(lookMs + restMs));
});

test('an ack does not cut a rest short', async () => {
  track(8);
  await vi.advanceTimersByTimeAsync(20);
  tracker.acked();
  await vi.advanceTimersByTimeAsync(67);
  expect(lookedAt).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(gaps()).toEqual([88]);
});
