import type { Logger } from '@eventsieve/runtime/logger';
import { shareNext } from '../share-next.js';
import type { Statements } from '../sql/database.js';
import { type EventRing, heldMs, type RingEvent } from './event-ring.js';
import type { PayloadFilter, PayloadFilters } from './payload-filters.js';
import { type NewRow, readNewRows, readWatermark, type Watermark } from './tail-statements.js';

export interface TailReaderDeps {
  readonly database: Statements;
  readonly ring: EventRing;
  readonly payloadFilters: PayloadFilters;
  readonly logger: Logger;
  /** The ring has more than before. */
  readonly onNews: () => void;
  /** The database is in an older state: what was given beyond this position may come to hold other events. */
  readonly onWentBack: (to: bigint) => void;
}

/** Reads each new event once, for everybody who follows. */
export interface TailReader {
  /** As it is known; undefined before the first look. */
  readonly watermark: bigint | undefined;
  /** The watermark of a look that began after the question. */
  askWatermark(): Promise<bigint>;
  start(): void;
  stop(): void;
}

const busyMs = 15;
const idleMs = 40;
const idleAfterMs = 2_000;
const failedMs = 250;
const rowLimit = { least: 16, most: 1_000 };
const pageBytes = 2 * 1024 ** 2;

/** Looks at the watermark, and when that has moved reads what is new below it. The first look only says where that is. */
export function createTailReader(deps: TailReaderDeps): TailReader {
  const { database, ring, payloadFilters, logger, onNews, onWentBack } = deps;
  let running: Running | undefined;
  let known: Watermark | undefined;
  let limit = rowLimit.least;
  let aboutUs = 0n;

  const look = shareNext(async () => {
    const run = running;
    const now = await readWatermark(database);
    if (run === undefined || run !== running) return now.position;
    ring.dropReadBefore(performance.now() - heldMs);
    const before = known;
    known = now;
    const backTo = before && wentBackTo(before, now);
    if (backTo !== undefined) {
      const positions = { was: `${before?.position}`, is: `${now.position}`, since: `${backTo}` };
      logger.error(positions, 'the database was put back to an older state; those who follow beyond it are told');
      onWentBack(backTo);
    }
    if (before === undefined || backTo !== undefined) {
      ring.restart(now.position);
      onNews();
    } else if (now.position > ring.end) {
      await readOn(run, now.position);
    }
    return now.position;
  });

  async function readOn(run: Running, upTo: bigint): Promise<void> {
    const after = ring.end;
    const asked = payloadFilters.present();
    const payloads = asked.map(({ text }) => text);
    const question = { after, upTo, aboutUs, payloads, limit, maxBytes: pageBytes };
    const { rows, reached, full } = await readNewRows(database, question);
    if (run !== running) return;
    for (const filter of asked) filter.askedAfter ??= after;
    // Of large events fewer are asked for: Postgres would look at all of them to find out how many fit.
    if (full) limit = Math.min(rowLimit.most, Math.max(rowLimit.least, rows.length * 2));
    aboutUs = BigInt(rows.at(-1)?.received_at_us ?? aboutUs);
    ring.append(
      rows.map((row) => ringEvent(row, asked)),
      reached,
    );
    onNews();
  }

  async function run(self: Running): Promise<void> {
    let said = '';
    let movedAtMs = performance.now();
    while (running === self) {
      const begunAtMs = performance.now();
      const before = ring.end;
      let restMs = idleMs;
      try {
        await look();
        // What it costs to send it counts as well.
        await new Promise(setImmediate);
        said = '';
        if (ring.end !== before) movedAtMs = performance.now();
        const behind = known !== undefined && ring.end < known.position;
        const tookMs = Math.min(performance.now() - begunAtMs, failedMs);
        if (behind) restMs = 0;
        else if (performance.now() - movedAtMs < idleAfterMs) restMs = Math.max(busyMs, tookMs);
        else restMs = Math.max(idleMs, tookMs);
      } catch (error) {
        restMs = failedMs;
        if (said !== String(error))
          logger.warn({ err: error }, 'new events cannot be read for those who follow, trying on');
        said = String(error);
      }
      if (running === self) await self.rest(restMs);
    }
  }

  return {
    get watermark() {
      return known?.position;
    },
    askWatermark: look,
    start() {
      if (running !== undefined) return;
      known = undefined;
      limit = rowLimit.least;
      aboutUs = BigInt(Date.now()) * 1_000n;
      running = createRunning();
      void run(running);
    },
    stop() {
      running?.wake();
      running = undefined;
      known = undefined;
      ring.restart(0n);
    },
  };
}

/**
 * The watermark never goes down, and an epoch begins above all that is known: of the state that was seen before, neither
 * is true of a later one, only of another.
 */
function wentBackTo(before: Watermark, now: Watermark): bigint | undefined {
  const sameEpoch = before.epoch === undefined || before.epoch === now.epoch;
  const backTo = sameEpoch || now.position < now.base ? now.position : now.base;
  return backTo < before.position ? backTo : undefined;
}

interface Running {
  rest(ms: number): Promise<void>;
  wake(): void;
}

function createRunning(): Running {
  let wake: () => void = () => undefined;
  return {
    rest: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    wake: () => wake(),
  };
}

function ringEvent({ contains, ...row }: NewRow, asked: readonly PayloadFilter[]): RingEvent {
  return {
    position: BigInt(row.position),
    row,
    readAtMs: performance.now(),
    contains: (contains ?? []).flatMap((place) => asked[place - 1] ?? []),
    encoded: new Map(),
  };
}
