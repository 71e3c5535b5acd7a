import { randomBytes } from 'node:crypto';
import { namesFor } from '@eventsieve/contract/names';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import { expect, inject, test } from 'vitest';
import { createDatabase } from '../../../tests/support/database.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { alignEpoch } from '../src/align-epoch.js';
import type { WorkerConfig } from '../src/config.js';
import { type SessionDeps, startSession } from '../src/session.js';
import { trackWatermark } from '../src/track-watermark.js';

test('the tracker is stopped when the pull cannot be set up', async () => {
  const database = await createDatabase();
  const connection = await connect({ servers: inject('natsUrl') });
  const closed = await connect({ servers: inject('natsUrl') });
  await closed.close();
  const names = namesFor(`s${randomBytes(4).toString('hex')}`);
  const logger = pino({ level: 'silent' });
  const jsm = await jetstreamManager(connection);
  const streamLimits = { maxBytes: 64 * 1024 ** 2, maxMessages: 0, dedupWindowMs: 120_000, replicas: 1 };
  const { pool } = database;
  const shared = { jsm, pool, names, logger, ackWaitMs: 10_000 };
  const epoch = await alignEpoch({
    ...shared,
    streamLimits,
    maxAckPending: 100,
    wentBackIn: undefined,
    notThisConsumer: undefined,
  });
  let looks = 0;
  let looksOfAnother = 0;
  const ignored = () => undefined;
  expect(() =>
    startSession({
      ...shared,
      epoch,
      connection: closed,
      config: { names, ackWaitMs: 10_000, batchSize: 1, maxBatchBytes: 1, batchesInFlight: 1 } as WorkerConfig,
      metrics: { known: () => looks++, watermark: ignored } as unknown as SessionDeps['metrics'],
      duplicates: { add: ignored, stop: ignored },
      firstShard: 0,
    }),
  ).toThrow();
  const looksThen = looks;
  const another = trackWatermark({
    ...shared,
    epoch,
    metrics: { known: () => looksOfAnother++, watermark: ignored },
    onChanged: ignored,
    onStuck: ignored,
  });
  await waitUntil('another tracker has looked several times', () => looksOfAnother >= 3);
  another.stop();
  // One look may have been under way.
  expect(looks).toBeLessThanOrEqual(looksThen + 1);
  await jsm.streams.delete(names.stream);
  await connection.close();
  await database.drop();
});
