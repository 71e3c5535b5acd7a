import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import { serverStopping } from '@eventsieve/runtime/grpc-server';
import type { Logger } from '@eventsieve/runtime/logger';
import type { SearchEvents } from '../search/search-events.js';
import { shareNext } from '../share-next.js';
import { databaseError, type Statements } from '../sql/database.js';
import { type Channel, chunkOfRows, createChannel, type Wanted } from './channel.js';
import type { Encoding } from './encoding.js';
import { createEventRing } from './event-ring.js';
import { createFollower, type Follower, type Outlet } from './follower.js';
import { createGate } from './gate.js';
import { createPayloadFilters } from './payload-filters.js';
import { createTailReader } from './tail-reader.js';
import type { TailQuestion } from './tail-request.js';
import { readHighest } from './tail-statements.js';

export interface FollowingOptions {
  /** For new events. */
  readonly database: Statements;
  /** For those that were stored longer ago. */
  readonly searchEvents: SearchEvents;
  readonly logger: Logger;
  /** What is held of the newest events, for all. */
  readonly bufferBytes: number;
  readonly maxFollowers: number;
  /** How long a follower may take nothing of what it was sent. */
  readonly patienceMs: number;
  readonly heartbeatMs?: number;
}

/** Somebody who has been let in, and follows once there is a way to them. */
export interface Admitted {
  /** Sends until it is over, and then rejects with the reason. Called once. */
  run(outlet: Outlet, onSent?: (events: number) => void): Promise<never>;
  /** For the outlet to say that it is over. */
  wake(): void;
  /** Gives the place free. */
  leave(): void;
}

/** Everybody who follows what is stored, over whichever door. */
export interface Following {
  admit(question: TailQuestion, encoding: Encoding): Promise<Admitted>;
  followers(): number;
  /** How many positions the shared reader is behind the watermark. */
  behind(): number;
  /** Ends every follower, and lets nobody in any more. */
  stop(): void;
}

const maxPayloadFilters = 64;
const readsAtATime = 3;
const tickMs = 1_000;
const defaultHeartbeatMs = 15_000;
const pageRows = { least: 16, most: 1_000 };
// Each follower has one chunk on its way, at most: the more there are, the smaller it is.
const bytesOnTheWay = 32 * 1024 ** 2;
const chunkLimits = { least: 16 * 1024, most: 256 * 1024 };
// Then others have their turn.
const searchMs = 500;

export function createFollowing(options: FollowingOptions): Following {
  const {
    database,
    searchEvents,
    logger,
    bufferBytes,
    maxFollowers,
    patienceMs,
    heartbeatMs = defaultHeartbeatMs,
  } = options;
  const ring = createEventRing(bufferBytes);
  const payloadFilters = createPayloadFilters(maxPayloadFilters);
  const reader = createTailReader({ database, ring, payloadFilters, logger, onNews: wakeAll, onWentBack });
  const channels = new Map<string, Channel>();
  const followers = new Set<Follower>();
  const gate = createGate(readsAtATime);
  const askHighest = shareNext(() => readHighest(database));
  let admitted = 0;
  let stopped = false;
  let wentBackTimes = 0;
  let ticking: NodeJS.Timeout | undefined;

  const chunkBytes = () => Math.min(chunkLimits.most, Math.max(chunkLimits.least, bytesOnTheWay / admitted));

  function wakeAll(): void {
    for (const follower of followers) follower.wake();
  }

  function onWentBack(to: bigint): void {
    wentBackTimes++;
    for (const channel of channels.values()) channel.forget();
    for (const follower of followers) if (follower.place > to) follower.end(wentBack());
  }

  function tick(): void {
    for (const channel of channels.values()) channel.tidy();
    wakeAll();
  }

  async function catchUp(channel: Channel, after: bigint, wanted: Wanted) {
    const upTo = reader.watermark;
    if (upTo === undefined || upTo <= after) return undefined;
    try {
      return await channel.older(after, wanted, (stillWanted) =>
        gate(async () => {
          if (!stillWanted()) return undefined;
          const timesBefore = wentBackTimes;
          const begunAtMs = performance.now();
          const untilMs = begunAtMs + searchMs;
          const limit = channel.pageRows;
          const bounds = { after, upTo, descending: false, limit, maxBytes: chunkBytes(), untilMs };
          const { rows, searchedTo, end } = await searchEvents(channel.filter, bounds);
          // Of which state each part of it is, nobody knows.
          if (timesBefore !== wentBackTimes) return undefined;
          // Postgres looks at so many to find out how many fit: of large events fewer are asked for.
          const twice = Math.max(pageRows.least, Math.min(pageRows.most, rows.length * 2));
          if (!end) channel.pageRows = twice;
          return chunkOfRows(rows, searchedTo, channel.encoding, begunAtMs);
        }),
      );
    } catch (thrown) {
      const error = databaseError(thrown);
      if (error instanceof EventsieveError && error.code === 'UNAVAILABLE') return undefined;
      throw error;
    }
  }

  function takeChannel({ filter }: TailQuestion, encoding: Encoding) {
    const key = keyOf(filter, encoding);
    const payload = filter.payload === undefined ? undefined : payloadFilters.take(filter.payload);
    const channel = channels.get(key) ?? createChannel({ ring, filter, payload, encoding, chunkBytes });
    channel.followers++;
    channels.set(key, channel);
    return {
      channel,
      release() {
        if (payload !== undefined) payloadFilters.release(payload);
        if (--channel.followers === 0) channels.delete(key);
        channel.tidy();
      },
    };
  }

  async function placeOf({ after }: TailQuestion): Promise<bigint> {
    if (after === undefined) return reader.askWatermark();
    // Most who come back are let in without a question.
    if (after <= (reader.watermark ?? 0n) || after <= (await askHighest())) return after;
    throw invalid([{ field: 'cursor', message: 'is beyond everything that is stored' }]);
  }

  function enter(): void {
    if (stopped) throw serverStopping();
    if (admitted >= maxFollowers) throw tooMany(maxFollowers);
    if (admitted++ > 0) return;
    reader.start();
    ticking = setInterval(tick, Math.min(tickMs, heartbeatMs / 2));
  }

  function leave(): void {
    if (--admitted > 0) return;
    reader.stop();
    clearInterval(ticking);
  }

  return {
    async admit(question, encoding) {
      enter();
      let shared: ReturnType<typeof takeChannel> | undefined;
      try {
        shared = takeChannel(question, encoding);
        return admittedTo(shared, await placeOf(question));
      } catch (error) {
        shared?.release();
        leave();
        throw error;
      }
    },
    followers: () => admitted,
    behind: () => (reader.watermark === undefined ? 0 : Number(reader.watermark - ring.end)),
    stop() {
      stopped = true;
      for (const follower of followers) follower.end(serverStopping());
    },
  };

  function admittedTo({ channel, release }: ReturnType<typeof takeChannel>, after: bigint): Admitted {
    let follower: Follower | undefined;
    let left = false;
    return {
      run(outlet, onSent = () => undefined) {
        follower = createFollower({ channel, outlet, after, catchUp, heartbeatMs, patienceMs, onSent });
        followers.add(follower);
        if (stopped) follower.end(serverStopping());
        return follower.run();
      },
      wake: () => follower?.wake(),
      leave() {
        if (left) return;
        left = true;
        if (follower !== undefined) followers.delete(follower);
        release();
        leave();
      },
    };
  }
}

/** Who comes back with such a place is refused in the same way, as long as it is beyond what is stored. */
function wentBack(): EventsieveError {
  const message = 'is beyond what is stored: the database was put back to an older state';
  return new EventsieveError('INVALID_ARGUMENT', `cursor: ${message}`, {
    fields: [{ field: 'cursor', message }],
    reason: 'STORE_WENT_BACK',
  });
}

function keyOf(filter: object, { name }: Encoding): string {
  const texts = Object.entries(filter).map(([field, value]) => [field, typeof value === 'bigint' ? `${value}` : value]);
  return JSON.stringify([name, texts]);
}

function tooMany(max: number): EventsieveError {
  const message = `${max} follow already (MAX_FOLLOWERS)`;
  return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_FOLLOWERS', retryAfterMs: 5_000 });
}
