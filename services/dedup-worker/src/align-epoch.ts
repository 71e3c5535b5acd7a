import { randomBytes } from 'node:crypto';
import { type BrokerNames, durableOf, isDurableOf } from '@eventsieve/contract/names';
import type { Logger } from '@eventsieve/runtime/logger';
import { ensureStream, type StreamLimits } from '@eventsieve/runtime/stream';
import type { ConsumerConfig, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import { neverGivesUp, whyUnsound } from './consumer-config.js';
import {
  currentEpoch,
  type Epoch,
  highestRow,
  mayBeStored,
  openEpoch,
  readWatermark,
  type Watermark,
  withAlignLock,
} from './sql/epochs.js';

export interface AlignDeps {
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly names: BrokerNames;
  readonly streamLimits: StreamLimits;
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  readonly logger: Logger;
  /** The epoch in which a message has shown that the broker went back, whatever else can be seen. */
  readonly wentBackIn: number | undefined;
  /** It does not hand out all that the stream holds: a new one does. */
  readonly notThisConsumer: string | undefined;
}

export interface Aligned extends Epoch {
  /** The epoch's consumer. */
  readonly durable: string;
  /** As many messages may be asked for at once, by the server's limits or somebody's. */
  readonly mostAtOnce: number;
}

/**
 * What has to be true before a worker handles any message, at every (re)connect: the stream is there, the epoch is the
 * stream's, the epoch's consumer is there. One worker at a time does it.
 */
export async function alignEpoch(deps: AlignDeps): Promise<Aligned> {
  const { jsm, pool, names, logger } = deps;
  return await withAlignLock(pool, async (stillHeld) => {
    // What is known first, the broker second: other workers go on meanwhile, and read the other way round their progress
    // would look like a broker that went back.
    let epoch = await currentEpoch(pool);
    const mark = await readWatermark(pool);
    const highest = await highestRow(pool);
    const info = await ensureStream(jsm, names, deps.streamLimits);
    const reason =
      epoch !== undefined && epoch.epoch === deps.wentBackIn
        ? 'a message showed that the broker went back'
        : await whyNewEpoch(deps, info, epoch, mark, highest);
    if (reason !== undefined) {
      const { first_seq: firstSequence, last_seq: lastSequence } = info.state;
      const stream = { created: info.created, firstSequence, lastSequence };
      epoch = await openEpoch(pool, epoch?.epoch ?? 0, stream, reason);
      logger.warn({ epoch: epoch.epoch, base: epoch.base.toString(), reason }, 'new epoch');
    }
    if (epoch === undefined) throw new Error('no epoch');
    // A process that was stopped until the lock was freed knows an epoch that may be over: it must not undo the next one.
    await stillHeld();
    return { ...epoch, ...(await ensureConsumer(deps, epoch)) };
  });
}

async function whyNewEpoch(
  { pool, jsm }: AlignDeps,
  info: StreamInfo,
  epoch: Epoch | undefined,
  mark: Watermark,
  highest: bigint,
): Promise<string | undefined> {
  if (epoch === undefined) return 'first start';
  if (epoch.streamCreated !== info.created) return 'the stream was made anew';
  const known = greatest(mark.position, mark.known, highest);
  if (epoch.base + BigInt(info.state.last_seq) < known) return 'the last sequence of the stream went back';

  // Sequences that are given out again go on without a gap, and nobody has handled them before this check: so if any of
  // them meets a position that we know, the highest one that we know is among them, still in the stream, with a
  // timestamp of its own.
  const position = greatest(mark.position, highest);
  const sequence = Number(position - epoch.base);
  if (sequence < 1) return undefined;
  const message = await jsm.streams.getMessage(info.config.name, { seq: sequence });
  if (message === null) return undefined;
  if (await mayBeStored(pool, position, microsecondsOf(message.timestamp))) return undefined;
  return 'the broker gave a sequence out again';
}

const greatest = (...values: readonly bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b), 0n);

async function ensureConsumer(
  { jsm, names, ackWaitMs, maxAckPending, notThisConsumer, logger }: AlignDeps,
  epoch: Epoch,
): Promise<Pick<Aligned, 'durable' | 'mostAtOnce'>> {
  const wanted = { ack_wait: ackWaitMs * 1_000_000, max_ack_pending: maxAckPending };
  let found: { readonly name: string; readonly config: ConsumerConfig } | undefined;
  let again: string | undefined;
  for await (const { name, config } of jsm.consumers.list(names.stream)) {
    if (!name.startsWith(names.durablePrefix)) continue;
    const isOurs = isDurableOf(names, epoch.epoch, name);
    // Putting an unsound one right would leave its ack floor where it may be past messages that are not stored.
    const unsound = whyUnsound(config);
    if (isOurs && unsound === undefined && found === undefined && name !== notThisConsumer) {
      found = { name, config };
      continue;
    }
    // A work queue has room for one consumer, and the one of an earlier epoch knows sequences that are not these.
    if (isOurs) {
      logger.warn({ consumer: name }, `${unsound ?? 'the consumer holds messages back'}; making it anew`);
      // Under a name of its own: an ack on its way to the one before would move the floor of a namesake.
      again = randomBytes(3).toString('hex');
    }
    await jsm.consumers.delete(names.stream, name);
  }
  const durable = found?.name ?? durableOf(names, epoch.epoch, again);
  if (found === undefined) {
    await jsm.consumers.add(names.stream, { durable_name: durable, ...neverGivesUp, ...wanted });
  } else if (found.config.ack_wait !== wanted.ack_wait || found.config.max_ack_pending !== wanted.max_ack_pending) {
    await jsm.consumers.update(names.stream, durable, wanted);
  }
  const { config } = await jsm.consumers.info(names.stream, durable);
  const unsound = whyUnsound(config);
  if (unsound !== undefined) throw new Error(`consumer ${durable} cannot be used: ${unsound}`);
  return { durable, mostAtOnce: config.max_batch || Number.POSITIVE_INFINITY };
}

/** RFC 3339 with nanoseconds, cut to microseconds: the same number that a delivery's timestamp gives. */
export function microsecondsOf(timestamp: string): bigint {
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? '';
  const wholeSeconds = BigInt(Date.parse(timestamp.replace(/\.\d+/, '')));
  return wholeSeconds * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
}
