import { namesFor } from '@eventsieve/contract/names';
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import { purgeStored } from '../src/purge-stored.js';

let purges: unknown[];
beforeEach(() => {
  purges = [];
});

function purge(watermark: bigint, { created = 'then', first = 1, ageMs = 0 } = {}): Promise<boolean> {
  const streams = {
    async purge(_name: string, options: unknown) {
      purges.push(options);
      return { success: true, purged: 1 };
    },
  };
  return purgeStored(
    {
      jsm: { streams } as unknown as JetStreamManager,
      names: namesFor('p'),
      epoch: { epoch: 2, base: 100n, streamCreated: 'then' },
      logger: pino({ level: 'silent' }),
    },
    watermark,
    { created, state: { messages: 5, first_seq: first } } as StreamInfo,
    performance.now() - ageMs,
  );
}

test('what lies at or below the watermark is purged', async () => {
  expect(await purge(103n)).toBe(true);
  expect(purges).toEqual([{ seq: 4 }]);
});

test.each([
  ['another stream', 103n, { created: 'now' }],
  ['a stream that was read too long ago', 103n, { ageMs: 2_000 }],
  ['a stream that holds nothing of it', 103n, { first: 4 }],
  ['the watermark of an earlier epoch', 90n, {}],
])('%s is left alone', async (_name, watermark, state) => {
  expect(await purge(watermark, state)).toBe(false);
  expect(purges).toEqual([]);
});
