import type { QueryServiceService, TailEventsRequest } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type GrpcService, tolerant, unary } from '@eventsieve/runtime/grpc-server';
import { serverStream } from '@eventsieve/runtime/grpc-server-stream';
import type { Logger } from '@eventsieve/runtime/logger';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Following } from '../follow/following.js';
import type { QueryMetrics } from '../metrics.js';
import type { Queries } from '../queries.js';
import { databaseError } from '../sql/database.js';
import { discardDeadLetters } from './discard-dead-letters.js';
import { eraseEvents } from './erase-events.js';
import { getDeadLetter } from './get-dead-letter.js';
import { getEvent } from './get-event.js';
import { getStats } from './get-stats.js';
import { getStatsSeries } from './get-stats-series.js';
import { listDeadLetters } from './list-dead-letters.js';
import { listDuplicates } from './list-duplicates.js';
import { listEvents } from './list-events.js';
import { listStats } from './list-stats.js';
import { reconcile } from './reconcile.js';
import { redriveDeadLetters } from './redrive-dead-letters.js';
import { resetStats } from './reset-stats.js';
import { tailEvents } from './tail-events.js';

export const queryServiceName = 'eventsieve.v1.QueryService';

/** Every RPC of the service, each bound to its function. */
export function queryService(
  queries: Queries,
  following: Following,
  definition: typeof QueryServiceService,
  logger: Logger,
  metrics: Pick<QueryMetrics, 'called' | 'followed'>,
): GrpcService {
  function bound<Request, Response>(
    method: MethodDefinition<Request, Response>,
    answer: (queries: Queries, request: Request) => Promise<Response>,
  ) {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    return unary(
      method,
      (request: Request) =>
        answer(queries, request).catch((error: unknown) => {
          throw databaseError(error);
        }),
      logger,
      (call) => metrics.called(name, call),
    );
  }

  /** Its messages are encoded once, for everybody who follows. */
  const tail = {
    definition: {
      ...definition.tailEvents,
      requestDeserialize: tolerant(definition.tailEvents.requestDeserialize),
      responseSerialize: (encoded: Buffer) => encoded,
    },
    handler: serverStream<TailEventsRequest, Buffer>(
      (request, audience) =>
        tailEvents(following, metrics, request, audience).catch((error: unknown) => {
          throw databaseError(error);
        }),
      logger,
      (call) => metrics.called('TailEvents', call),
    ),
  };

  const methods = {
    listEvents: bound(definition.listEvents, listEvents),
    getEvent: bound(definition.getEvent, getEvent),
    eraseEvents: bound(definition.eraseEvents, eraseEvents),
    tailEvents: tail,
    getStats: bound(definition.getStats, getStats),
    getStatsSeries: bound(definition.getStatsSeries, getStatsSeries),
    listStats: bound(definition.listStats, listStats),
    listDuplicates: bound(definition.listDuplicates, listDuplicates),
    reconcile: bound(definition.reconcile, reconcile),
    resetStats: bound(definition.resetStats, resetStats),
    listDeadLetters: bound(definition.listDeadLetters, listDeadLetters),
    getDeadLetter: bound(definition.getDeadLetter, getDeadLetter),
    redriveDeadLetters: bound(definition.redriveDeadLetters, redriveDeadLetters),
    discardDeadLetters: bound(definition.discardDeadLetters, discardDeadLetters),
  };
  const each = Object.entries(methods);
  return {
    definition: Object.fromEntries(each.map(([name, method]) => [name, method.definition])),
    implementation: Object.fromEntries(each.map(([name, method]) => [name, method.handler])),
  } as GrpcService;
}
