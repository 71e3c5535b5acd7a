import type { Logger } from '@eventsieve/runtime/logger';
import type { FastifyInstance } from 'fastify';
import type { Checkup } from '../check-parts.js';
import type { Following } from '../follow/following.js';
import type { QueryMetrics } from '../metrics.js';
import type { Queries } from '../queries.js';
import { serveAssets } from './assets.js';
import { serveDeadLetter } from './dead-letter.js';
import { serveDeadLetters } from './dead-letters.js';
import { serveDiscard } from './discard.js';
import { serveDocs } from './docs.js';
import { serveDuplicates } from './duplicates.js';
import { serveErase } from './erase.js';
import { serveEvent } from './event.js';
import { serveEvents } from './events.js';
import { serveEventsExport } from './events-export.js';
import { serveEventsStream } from './events-stream.js';
import { serveHealth } from './health.js';
import { serveMetrics, timeRequests } from './metrics.js';
import { serveOpenApi } from './openapi.js';
import { type Bridge, servePublish } from './publish.js';
import { serveReconcile } from './reconcile.js';
import { serveRedoc } from './redoc.js';
import { serveRedrive } from './redrive.js';
import { serveReset } from './reset.js';
import { serveStats } from './stats.js';
import { serveStatsGroups } from './stats-groups.js';
import { serveStatsSeries } from './stats-series.js';

export interface RouteDeps {
  readonly bridge: Bridge;
  readonly queries: Queries;
  readonly metrics: QueryMetrics;
  readonly check: () => Promise<Checkup>;
  readonly following: Following;
  readonly logger: Logger;
}

/** Every route of the bridge. Each is in the OpenAPI document too. */
export function serveRoutes(app: FastifyInstance, deps: RouteDeps): void {
  const { bridge, queries, metrics, check } = deps;
  timeRequests(app, metrics);
  servePublish(app, bridge);
  serveEvents(app, queries);
  serveEventsStream(app, deps);
  serveEventsExport(app, deps);
  serveEvent(app, queries);
  serveErase(app, queries);
  serveStats(app, queries);
  serveStatsSeries(app, queries);
  serveStatsGroups(app, queries);
  serveDuplicates(app, queries);
  serveReset(app, queries);
  serveReconcile(app, queries);
  serveDeadLetters(app, queries);
  serveDeadLetter(app, queries);
  serveRedrive(app, queries);
  serveDiscard(app, queries);
  serveMetrics(app, metrics);
  serveHealth(app, { check, startedAtMs: queries.startedAtMs });
  serveOpenApi(app);
  serveDocs(app);
  serveRedoc(app);
  serveAssets(app);
}
