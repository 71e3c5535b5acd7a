import { errorCodes } from '@eventsieve/contract/errors';
import type { Counts } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type followDoors, queryMetrics as metrics } from '@eventsieve/contract/metric-names';
import type { EndedCall } from '@eventsieve/runtime/grpc-server';
import {
  counterOf,
  createRegistry,
  type Exposition,
  expositionOf,
  gaugeOf,
  histogramOf,
  sharedReading,
} from '@eventsieve/runtime/metrics';
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Following } from './follow/following.js';

export interface QueryMetrics {
  readonly exposition: Exposition;
  /** `route` is the pattern that matched, never the path that came. */
  answered(route: string, httpStatus: number, seconds: number): void;
  /** Events were sent to somebody who follows. */
  followed(door: (typeof followDoors)[number], events: number): void;
  called(method: string, call: Pick<EndedCall<unknown>, 'error' | 'seconds'>): void;
}

// However many scrape, the counters are summed up once in so long, and a database that hangs holds up no scrape.
const countsReading = { everyMs: 2_000, patienceMs: 2_000 };

/** `readCounts` gives the sums of GetStats, from Postgres: they survive every crash and are the same in each process. */
export function createQueryMetrics(
  readCounts: () => Promise<Counts | undefined>,
  following: Pick<Following, 'followers' | 'behind'>,
): QueryMetrics {
  const registry = createRegistry();
  const httpSeconds = histogramOf(registry, metrics.httpSeconds);
  const grpcSeconds = histogramOf(registry, metrics.grpcSeconds);
  const followed = counterOf(registry, metrics.followedEvents);
  gaugeOf(registry, metrics.followers, following.followers);
  gaugeOf(registry, metrics.tailBehind, following.behind);
  const counts = sharedReading(readCounts, countsReading);
  const countOf = (pick: (counts: Counts) => bigint) => async () => {
    const found = await counts();
    return found && Number(pick(found));
  };
  gaugeOf(
    registry,
    metrics.received,
    countOf(({ received }) => received),
  );
  gaugeOf(
    registry,
    metrics.unique,
    countOf(({ uniqueProcessed }) => uniqueProcessed),
  );
  gaugeOf(
    registry,
    metrics.duplicates,
    countOf(({ duplicateDropped }) => duplicateDropped),
  );
  gaugeOf(
    registry,
    metrics.conflicts,
    countOf(({ conflicts }) => conflicts),
  );
  gaugeOf(
    registry,
    metrics.deadLettered,
    countOf(({ deadLettered }) => deadLettered),
  );
  gaugeOf(
    registry,
    metrics.redriven,
    countOf(({ redriven }) => redriven),
  );
  gaugeOf(
    registry,
    metrics.inFlight,
    countOf(({ inFlight }) => inFlight),
  );

  return {
    exposition: expositionOf(registry),
    answered: (route, httpStatus, seconds) =>
      httpSeconds.labels({ route, status: `${Math.floor(httpStatus / 100)}xx` }).observe(seconds),
    followed: (door, events) => followed.inc({ door }, events),
    called: (method, { error, seconds }) =>
      grpcSeconds
        .labels({ method, code: grpcStatus[error ? errorCodes[error.code].grpc : grpcStatus.OK] as string })
        .observe(seconds),
  };
}
