import type { BrokerNames } from '@eventsieve/contract/names';
import type { Logger } from '@eventsieve/runtime/logger';
import type { ConsumerInfo, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import type { Aligned } from './align-epoch.js';
import { whyUnsound } from './consumer-config.js';
import type { WorkerMetrics } from './metrics.js';
import { advanceWatermark, allAreStored } from './sql/epochs.js';

export interface WatermarkDeps {
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly names: BrokerNames;
  readonly epoch: Aligned;
  readonly logger: Logger;
  readonly metrics: Pick<WorkerMetrics, 'known' | 'watermark'>;
  readonly ackWaitMs: number;
  /** The stream or the consumer is not the one that this session was aligned with. */
  readonly onChanged: (why: string) => void;
  /** The stream holds messages that its consumer will never hand out, or may not. */
  readonly onStuck: (why: string) => void;
}

export interface WatermarkTracker {
  /** Something was acked. */
  acked(): void;
  stop(): void;
}

const busyMs = 30;
const idleMs = 1_000;
// A look that takes long has waited for those who store: so many times as long is left to them, within bounds.
const restAfterLook = 10;
const mostRestMs = 150;
const stuckAfterMs = 1_000;

/**
 * Moves the watermark after the acks. A message is acked only after its commit, and only an ack takes it out of a work
 * queue: everything below the first that the stream still holds is committed. The consumer's ack floor says less: it runs
 * past what was given up or deleted, so what the stream still holds below it counts only when it is stored. After the
 * broker was killed both go back for a while; the watermark does not. What such a broker brings back its consumer may
 * take for acked, and it would stay in the stream for good: a new consumer hands it out, and it is recognised.
 */
export function trackWatermark(deps: WatermarkDeps): WatermarkTracker {
  const { jsm, pool, names, epoch, logger, metrics, ackWaitMs, onChanged, onStuck } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running = false;
  let stopped = false;
  let stirred = true;
  let sentCommitted = -1n;
  let sentKnown = -1n;
  let watermark = 0n;
  let lastSeen = '';
  let unchangedSince = Date.now();
  let restsUntilMs = 0;
  let overlooked = { first: 0, since: 0 };

  /** Nothing moves although the stream holds something: at once suspicious when the consumer has nothing left to do. */
  function isStuck(consumer: ConsumerInfo, stream: StreamInfo): boolean {
    const { num_pending: pending, num_ack_pending: unacked, ack_floor: floor, delivered } = consumer;
    const { messages, first_seq: first, last_seq: last } = stream.state;
    const seen = [pending, unacked, floor.stream_seq, delivered.consumer_seq, messages, first, last].join();
    if (seen !== lastSeen || messages === 0) {
      lastSeen = seen;
      unchangedSince = Date.now();
      return false;
    }
    const patienceMs = pending === 0 && unacked === 0 ? stuckAfterMs : 3 * ackWaitMs + stuckAfterMs;
    return Date.now() - unchangedSince > patienceMs;
  }

  /** The consumer is done with the first message that the stream holds. Only for a moment: an ack takes it out as well. */
  function isOverlooked({ ack_floor: floor }: ConsumerInfo, { state }: StreamInfo): boolean {
    if (state.messages === 0 || floor.stream_seq < state.first_seq) {
      overlooked = { first: 0, since: 0 };
      return false;
    }
    if (overlooked.first !== state.first_seq) overlooked = { first: state.first_seq, since: Date.now() };
    return Date.now() - overlooked.since > stuckAfterMs;
  }

  /** Up to where everything is committed. */
  async function committedUpTo({ ack_floor: floor }: ConsumerInfo, { state }: StreamInfo): Promise<bigint> {
    const held = epoch.base + BigInt(Math.max(state.first_seq - 1, 0));
    const acked = epoch.base + BigInt(floor.stream_seq);
    const sure = held > watermark ? held : watermark;
    if (acked <= sure) return held;
    if (await allAreStored(pool, sure, acked)) return acked;
    onStuck('the consumer takes messages for settled that are not stored');
    return held;
  }

  async function look(): Promise<boolean> {
    const consumer = await jsm.consumers.info(names.stream, epoch.durable);
    const stream = await jsm.streams.info(names.stream);
    if (stream.created !== epoch.streamCreated) throw new Changed('the stream was made anew');
    const known = epoch.base + BigInt(stream.state.last_seq);
    metrics.known(known);
    if (known < sentKnown) throw new Changed('the last sequence of the stream went back');
    if (stopped) return true;
    const committed = await committedUpTo(consumer, stream);
    if (committed !== sentCommitted || known !== sentKnown) {
      watermark = await advanceWatermark(pool, epoch.epoch, committed, known);
      metrics.watermark(watermark);
      sentCommitted = committed;
      sentKnown = known;
    }
    const unsound = whyUnsound(consumer.config);
    if (unsound !== undefined) onStuck(unsound);
    else if (isOverlooked(consumer, stream)) onStuck('the consumer is done with messages that the stream holds');
    else if (isStuck(consumer, stream)) onStuck('the consumer hands out nothing though the stream holds messages');
    return committed >= known && stream.state.messages === 0;
  }

  async function run(): Promise<void> {
    if (running || stopped) return;
    running = true;
    let caughtUp = true;
    const begunAtMs = performance.now();
    try {
      stirred = false;
      caughtUp = await look();
    } catch (error) {
      if (stopped) return;
      if (error instanceof Changed || isGone(error)) return onChanged((error as Error).message);
      logger.debug({ err: error }, 'the watermark could not be looked at');
    } finally {
      running = false;
      const now = performance.now();
      restsUntilMs = now + Math.min((now - begunAtMs) * restAfterLook, mostRestMs);
      if (!stopped) timer = setTimeout(() => void run(), stirred || !caughtUp ? soonMs() : idleMs);
    }
  }

  const soonMs = () => Math.max(busyMs, restsUntilMs - performance.now());

  void run();

  return {
    acked() {
      if (stirred) return;
      stirred = true;
      if (running || stopped) return;
      clearTimeout(timer);
      timer = setTimeout(() => void run(), soonMs());
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

class Changed extends Error {}

const streamNotFound = 10059;
const consumerNotFound = 10014;

function isGone(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === streamNotFound || code === consumerNotFound;
}
