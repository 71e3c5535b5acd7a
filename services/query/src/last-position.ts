import type { BrokerNames } from '@eventsieve/contract/names';
import type { BrokerLink } from '@eventsieve/runtime/broker-link';
import { streamInfo } from '@eventsieve/runtime/stream';
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { shareNext } from './share-next.js';

/** What the stream holds, in its own sequences. */
export interface StreamReading {
  /** The stream's birth date as the broker spells it: an epoch holds for one stream only. */
  readonly created: string;
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
  readonly messages: bigint;
  /** Sequences between the first and the last that are gone. */
  readonly deleted: bigint;
}

/** What is in the stream and what is not, exactly. */
export interface Holdings extends StreamReading {
  /** Undefined when there are too many to be listed. */
  readonly deletedSequences: readonly bigint[] | undefined;
}

/** Asked and answered; or nobody could be asked; or there is no such stream. */
export type BrokerAnswer = StreamReading | 'away' | 'no-stream';

export interface LastPosition {
  /** As the broker says it at some moment after this call. */
  read(): Promise<BrokerAnswer>;
  /** The same with every deleted sequence by name. */
  readHoldings(): Promise<Holdings | undefined>;
  /** The last answer that was a reading, for as long as none is newer. */
  lastReading(): StreamReading | undefined;
  manager(): Promise<JetStreamManager | undefined>;
}

export interface LastPositionOptions {
  readonly link: BrokerLink;
  readonly names: BrokerNames;
  readonly timeoutMs: number;
}

export function readsLastPosition({ link, names, timeoutMs }: LastPositionOptions): LastPosition {
  let of: NatsConnection | undefined;
  let cached: Promise<JetStreamManager> | undefined;
  let last: StreamReading | undefined;

  async function manager(): Promise<JetStreamManager | undefined> {
    const connection = link.connection();
    if (connection === undefined) return undefined;
    if (cached === undefined || of !== connection) {
      of = connection;
      cached = jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs });
    }
    return cached;
  }

  async function ask(): Promise<BrokerAnswer> {
    try {
      const jsm = await manager();
      if (jsm === undefined) return 'away';
      const info = await streamInfo(jsm, names);
      if (info === undefined) return 'no-stream';
      last = readingOf(info);
      return last;
    } catch {
      // Timed out, no JetStream, a connection that went meanwhile: nothing was learned.
      return 'away';
    }
  }

  async function readHoldings(): Promise<Holdings | undefined> {
    const jsm = await manager();
    const info = await jsm?.streams.info(names.stream, { deleted_details: true });
    return info && { ...readingOf(info), deletedSequences: (info.state.deleted ?? []).map(BigInt) };
  }

  return { read: shareNext(ask), readHoldings, lastReading: () => last, manager };
}

function readingOf({ created, state }: StreamInfo): StreamReading {
  return {
    created,
    firstSequence: BigInt(state.first_seq),
    lastSequence: BigInt(state.last_seq),
    messages: BigInt(state.messages),
    deleted: BigInt(state.num_deleted ?? 0),
  };
}

/** The epoch in force, as a snapshot shows it. */
export interface EpochInForce {
  readonly base: bigint;
  readonly streamCreated: string | undefined;
}

/** The position of the stream's last message; undefined while no epoch of this very stream is open. */
export function lastPositionOf(reading: StreamReading, epoch: EpochInForce): bigint | undefined {
  return reading.created === epoch.streamCreated ? epoch.base + reading.lastSequence : undefined;
}

/** While NATS is away, what it said last still bounds what it holds from below. */
export async function newestReading(lastPosition: LastPosition): Promise<StreamReading | undefined> {
  const answer = await lastPosition.read();
  if (typeof answer === 'object') return answer;
  return answer === 'away' ? lastPosition.lastReading() : undefined;
}
