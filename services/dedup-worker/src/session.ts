import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { DuplicateLog } from '@eventsieve/runtime/duplicate-log';
import type { Logger } from '@eventsieve/runtime/logger';
import { publishAll } from '@eventsieve/runtime/publish-all';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Pool } from 'pg';
import type { Aligned } from './align-epoch.js';
import { answerWaiters } from './answer-waiters.js';
import type { WorkerConfig } from './config.js';
import { type Consuming, startConsuming } from './consume.js';
import { type Delivery, readDelivery, traceparentOf } from './delivery.js';
import type { Load, WorkerMetrics } from './metrics.js';
import { ensurePartitions } from './partitions.js';
import { textsOf } from './read-copy.js';
import { settleBatch } from './settle-batch.js';
import type { Judgement } from './store-batch.js';
import { trackWatermark } from './track-watermark.js';

export interface SessionDeps {
  readonly config: WorkerConfig;
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly epoch: Aligned;
  readonly logger: Logger;
  readonly duplicates: DuplicateLog;
  readonly metrics: WorkerMetrics;
  /** Sets this process's counters apart from those of others. */
  readonly firstShard: number;
}

export interface SessionEnd {
  readonly why: string;
  /** What the next alignment has to do about it. */
  readonly mend?: 'open-epoch' | 'remake-consumer';
}

export interface Session {
  readonly ended: Promise<SessionEnd>;
  /** At once: the connection is gone, or nothing more can be stored in this epoch. */
  end(why: string): void;
  /** In order: gives back what was not begun, finishes what was. */
  stop(): Promise<void>;
  load(): Load;
}

export const shards = 16;

const ack = Buffer.from('+ACK');

// Longer than a batch takes, so that under load nearly all of them are full.
const lingerMs = 100;

/** Less than DRAIN_TIMEOUT leaves. */
const drainMs = 5_000;

/** The latest of those that stand there twice; nearly always they rise. */
function eachPositionOnce(deliveries: readonly Delivery[]): readonly Delivery[] {
  const rising = deliveries.every(
    ({ position }, index) => index === 0 || (deliveries[index - 1] as Delivery).position < position,
  );
  return rising ? deliveries : [...new Map(deliveries.map((delivery) => [delivery.position, delivery])).values()];
}

/** Consuming within one epoch, from an alignment to the loss of the connection. */
export function startSession(deps: SessionDeps): Session {
  const { config, connection, jsm, pool, epoch, logger, duplicates, metrics, firstShard } = deps;
  const { names } = config;
  let over = false;
  let resolveEnded: (end: SessionEnd) => void = () => undefined;
  const ended = new Promise<SessionEnd>((resolve) => {
    resolveEnded = resolve;
  });
  const pauses = new Set<() => void>();
  let consuming: Consuming | undefined;

  function end(why: string, mend?: SessionEnd['mend']): void {
    if (over) return;
    over = true;
    consuming?.drop();
    watermark.stop();
    for (const wake of pauses) wake();
    resolveEnded(mend === undefined ? { why } : { why, mend });
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        pauses.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      pauses.add(wake);
    });
  }

  /** The only place that acks: the batch is committed. After the connection was lost an ack could meet a broker that
   * knows this sequence as something else, so there is none: the message comes again and is recognised. */
  function committed(
    batch: readonly Delivery[],
    judgements: ReadonlyMap<bigint, Judgement>,
    reason?: { code: string; message: string },
  ): void {
    if (over) return;
    // First, since somebody waits for it, and the broker would go through all the acks before it.
    answerWaiters(connection, batch, judgements, reason);
    publishAll(
      connection,
      batch.map(({ ackSubject }) => ({ subject: ackSubject, body: ack })),
    );
    metrics.settled(batch, judgements);
    watermark.acked();
    if (judgements.size === 0) return;
    for (const delivery of batch) {
      const { content, position } = delivery;
      const outcome = judgements.get(position)?.outcome;
      if (outcome !== Outcome.OUTCOME_DUPLICATE && outcome !== Outcome.OUTCOME_CONFLICT) continue;
      if (content.kind !== 'copy') continue;
      const { topic, eventId, source } = textsOf(content.copy);
      duplicates.add(() => ({
        topic: Buffer.from(topic).toString(),
        eventId: Buffer.from(eventId).toString(),
        source: Buffer.from(source).toString(),
        conflict: outcome === Outcome.OUTCOME_CONFLICT,
        by: 'store',
        traceparent: traceparentOf(delivery),
      }));
    }
  }

  async function settle(messages: readonly Msg[], slot: number): Promise<void> {
    try {
      // A message may stand twice in what was buffered, when its ack_wait passed in between: its position may not.
      const batch = eachPositionOnce(messages.map((message) => readDelivery(message, epoch.base, names)));
      metrics.taken(batch);
      await settleBatch(
        {
          pool,
          epoch: epoch.epoch,
          logger,
          metrics,
          committed,
          ensurePartitions: (of) =>
            ensurePartitions(
              pool,
              of.map(({ receivedAtUs }) => receivedAtUs),
            ),
          realign: (why, brokerWentBack) => end(why, brokerWentBack ? 'open-epoch' : undefined),
          ended: () => over,
          pause,
        },
        (firstShard + slot) % shards,
        batch,
      );
    } catch (error) {
      logger.error({ err: error }, 'a batch failed in an unforeseen way; it will be handed out again');
      end('unforeseen error');
    }
  }

  const watermark = trackWatermark({
    jsm,
    pool,
    names,
    epoch,
    logger,
    metrics,
    ackWaitMs: config.ackWaitMs,
    onChanged: (why) => end(why),
    onStuck: (why) => end(why, 'remake-consumer'),
  });
  let pulling: Consuming;
  try {
    pulling = startConsuming({
      connection,
      stream: names.stream,
      durable: epoch.durable,
      mostAtOnce: epoch.mostAtOnce,
      batchSize: config.batchSize,
      maxBatchBytes: config.maxBatchBytes,
      batchesInFlight: config.batchesInFlight,
      lingerMs,
      ackWaitMs: config.ackWaitMs,
      settle,
      onLost: (why) => end(why),
    });
  } catch (error) {
    // Nobody gets this session: its tracker would look on for ever.
    watermark.stop();
    throw error;
  }
  consuming = pulling;

  // It may have ended while the pull was being set up.
  if (over) pulling.drop();

  return {
    ended,
    end,
    load: pulling.load,
    async stop() {
      const patience = setTimeout(() => end('what was under way could not be finished in time'), drainMs);
      await consuming?.stop();
      clearTimeout(patience);
      end('stopping');
    },
  };
}
