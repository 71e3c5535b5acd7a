import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { workerMetrics as metrics, remedies, removedKinds } from '@eventsieve/contract/metric-names';
import {
  counterOf,
  createRegistry,
  type Exposition,
  expositionOf,
  forEach,
  gaugeOf,
  histogramOf,
  sharedReading,
} from '@eventsieve/runtime/metrics';
import type { StreamInfo } from '@nats-io/jetstream';
import type { Delivery } from './delivery.js';
import type { Remedy } from './postgres-errors.js';
import type { Epoch } from './sql/epochs.js';
import type { Judgement } from './store-batch.js';

/** What this process holds at the moment. */
export interface Load {
  readonly batchesUnderWay: number;
  readonly messagesBuffered: number;
}

/** What is counted on the way of a batch: a call stands for a whole batch, never for one message. */
export interface WorkerMetrics {
  readonly exposition: Exposition;
  aligned(epoch: Epoch): void;
  taken(batch: readonly Delivery[]): void;
  /** A storing call that committed. */
  stored(seconds: number): void;
  /** A storing call, or the keeping of a dead letter, that failed. */
  failed(remedy: Remedy): void;
  /**
   * Acked. A message that comes again although its ack was sent is counted again: what was counted once and for all
   * stands in Postgres, and the query service exposes it.
   */
  settled(batch: readonly Delivery[], judgements: ReadonlyMap<bigint, Judgement>): void;
  /** The last position that the broker gave. */
  known(position: bigint): void;
  watermark(position: bigint): void;
  /** Removed because they were too old, and committed. */
  removed(kind: (typeof removedKinds)[number], rows: number): void;
}

export interface WorkerMetricsDeps {
  /** Undefined while there is no stream. */
  readonly readStream: () => Promise<StreamInfo | undefined>;
  /** When the oldest event was received, in seconds since 1970. */
  readonly readOldestEvent: () => Promise<number>;
  readonly load: () => Load | undefined;
  readonly connected: () => boolean;
}

const streamReading = { everyMs: 1_000, patienceMs: 1_500 };
const oldestReading = { everyMs: 5_000, patienceMs: 1_500 };

export function createWorkerMetrics({
  readStream,
  readOldestEvent,
  load,
  connected,
}: WorkerMetricsDeps): WorkerMetrics {
  const registry = createRegistry();
  const storedCopies = counterOf(registry, metrics.stored);
  const duplicates = counterOf(registry, metrics.duplicates).labels({ place: 'store' });
  const conflicts = counterOf(registry, metrics.conflicts);
  const deadLetters = counterOf(registry, metrics.deadLetters);
  const redeliveries = counterOf(registry, metrics.redeliveries);
  const batchMessages = histogramOf(registry, metrics.batchMessages).labels({});
  const commitSeconds = histogramOf(registry, metrics.commitSeconds).labels({});
  const failedCounter = counterOf(registry, metrics.failedCalls);
  const failedCalls = forEach(remedies, (remedy) => failedCounter.labels({ remedy }));
  const removedCounter = counterOf(registry, metrics.removed);
  const removed = forEach(removedKinds, (kind) => removedCounter.labels({ kind }));
  let epochInForce: number | undefined;
  let lastKnown: bigint | undefined;
  let lastWatermark: bigint | undefined;

  gaugeOf(registry, metrics.batchesUnderWay, () => load()?.batchesUnderWay ?? 0);
  gaugeOf(registry, metrics.buffered, () => load()?.messagesBuffered ?? 0);
  gaugeOf(registry, metrics.connected, () => (connected() ? 1 : 0));
  gaugeOf(registry, metrics.consuming, () => (load() === undefined ? 0 : 1));
  gaugeOf(registry, metrics.epoch, () => epochInForce);
  gaugeOf(registry, metrics.watermark, () => (lastWatermark === undefined ? undefined : Number(lastWatermark)));
  gaugeOf(registry, metrics.watermarkLag, () =>
    lastKnown === undefined || lastWatermark === undefined ? undefined : Math.max(0, Number(lastKnown - lastWatermark)),
  );

  // Asked by the scrape and not by a session: the backlog grows when there is none.
  const stream = sharedReading(readStream, streamReading);
  const limitOf = (configured: number | undefined) =>
    configured === undefined || configured <= 0 ? Number.POSITIVE_INFINITY : configured;
  const ofStream = (pick: (info: StreamInfo) => number) => async () => {
    const info = await stream();
    return info && pick(info);
  };
  gaugeOf(
    registry,
    metrics.streamMessages,
    ofStream(({ state }) => state.messages),
  );
  gaugeOf(
    registry,
    metrics.streamBytes,
    ofStream(({ state }) => state.bytes),
  );
  gaugeOf(
    registry,
    metrics.streamLimitMessages,
    ofStream(({ config }) => limitOf(config.max_msgs)),
  );
  gaugeOf(
    registry,
    metrics.streamLimitBytes,
    ofStream(({ config }) => limitOf(config.max_bytes)),
  );

  const oldest = sharedReading(readOldestEvent, oldestReading);
  gaugeOf(registry, metrics.oldestEvent, async () => {
    const receivedAt = await oldest();
    return receivedAt && Math.max(0, Date.now() / 1000 - receivedAt);
  });

  return {
    exposition: expositionOf(registry),

    aligned({ epoch }) {
      epochInForce = epoch;
    },

    taken(batch) {
      batchMessages.observe(batch.length);
      const again = batch.reduce((count, { deliveries }) => (deliveries > 1 ? count + 1 : count), 0);
      if (again > 0) redeliveries.inc(again);
    },

    stored: (seconds) => commitSeconds.observe(seconds),
    failed: (remedy) => failedCalls[remedy].inc(),

    settled(batch, judgements) {
      let stored = 0;
      let duplicate = 0;
      let conflict = 0;
      let dead = 0;
      for (const { position, content } of batch) {
        const judgement = judgements.size === 0 ? undefined : judgements.get(position);
        if (judgement?.outcome === Outcome.OUTCOME_DEAD_LETTERED) dead++;
        else if (judgement?.outcome === Outcome.OUTCOME_DUPLICATE) duplicate++;
        else if (judgement?.outcome === Outcome.OUTCOME_CONFLICT) conflict++;
        // What an earlier epoch settled has a judgement without an outcome; a tally is no copy of its own.
        else if (judgement === undefined && content.kind === 'copy') stored++;
      }
      if (stored > 0) storedCopies.inc(stored);
      if (duplicate + conflict > 0) duplicates.inc(duplicate + conflict);
      if (conflict > 0) conflicts.inc(conflict);
      if (dead > 0) deadLetters.inc(dead);
    },

    known(position) {
      lastKnown = position;
    },
    watermark(position) {
      lastWatermark = position;
    },
    removed: (kind, rows) => removed[kind].inc(rows),
  };
}
