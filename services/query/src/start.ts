import { QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { openBrokerLink } from '@eventsieve/runtime/broker-link';
import { createHealth } from '@eventsieve/runtime/grpc-health';
import { reflectionServices } from '@eventsieve/runtime/grpc-reflection';
import { startGrpcServer } from '@eventsieve/runtime/grpc-server';
import type { StartPart } from '@eventsieve/runtime/lifecycle';
import { createPool, endPool } from '@eventsieve/store/pool';
import { watchPostgres } from '@eventsieve/store/watch-postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import { checksParts } from './check-parts.js';
import { readConfig } from './config.js';
import { createFollowing } from './follow/following.js';
import { connectGateway } from './gateway-client.js';
import { serveRoutes } from './http/routes.js';
import { startHttpServer } from './http/server.js';
import { readsLastPosition } from './last-position.js';
import { createQueryMetrics } from './metrics.js';
import type { Queries } from './queries.js';
import { getStats } from './rpc/get-stats.js';
import { queryService, queryServiceName } from './rpc/query-service.js';
import { searchesEvents } from './search/search-events.js';
import { slotsOf } from './search/slots.js';
import { sendsToStream } from './send-to-stream.js';
import { databaseOf, explainsOldSchema } from './sql/database.js';

// A question is small, whatever its answer.
const maxQuestionBytes = 1024 ** 2;
const brokerTimeoutMs = 1_000;
const auditConnections = 2;
const tailConnections = 1;
const lookupPatienceMs = 500;
const erasePatienceMs = 3_000;
const sendTimeoutMs = 3_000;

export const startQuery: StartPart = async (environment, logger) => {
  const config = readConfig(environment);
  const startedAtMs = Date.now();
  const openPool = (name: string, max: number, statementTimeoutMs: number, plansOnce = false) =>
    explainsOldSchema(
      createPool({
        url: config.databaseUrl,
        name,
        max,
        statementTimeoutMs,
        onError: (error) => logger.warn({ err: error }, 'a connection to Postgres was lost'),
        plansOnce,
      }),
    );
  // Lists keep their plans, which suits nothing else; and nothing else waits behind them.
  const listConnections = Math.floor(config.poolSize / 2);
  const pool = openPool('eventsieve-query', config.poolSize - listConnections, config.statementTimeoutMs);
  const listPool = openPool('eventsieve-query-lists', listConnections, config.statementTimeoutMs, true);
  const auditPool = openPool('eventsieve-query-audit', auditConnections, config.auditTimeoutMs);
  // Nobody who follows waits behind those who ask.
  const tailPool = openPool('eventsieve-query-tail', tailConnections, config.statementTimeoutMs);
  const health = createHealth([queryServiceName, 'postgres', 'nats']);
  const link = openBrokerLink({
    url: config.natsUrl,
    name: 'eventsieve-query',
    logger,
    onUp: () => health.set(true, ['nats']),
    onDown: () => health.set(false, ['nats']),
  });
  const gateway = connectGateway(config.gatewayAddress, config.maxRequestBytes * 2);
  const database = databaseOf(pool);
  const queries: Queries = {
    database,
    auditDatabase: databaseOf(auditPool),
    drizzle: drizzle(pool),
    lastPosition: readsLastPosition({ link, names: config.names, timeoutMs: brokerTimeoutMs }),
    names: config.names,
    searchEvents: searchesEvents({
      database,
      planned: databaseOf(listPool),
      slots: slotsOf(Math.floor(config.poolSize / 3)),
    }),
    searchTimeoutMs: config.searchTimeoutMs,
    sendToStream: sendsToStream(link, sendTimeoutMs),
    redrivePatienceMs: config.storedTimeoutMs,
    lookupPatienceMs,
    erasePatienceMs,
    startedAtMs,
  };
  const following = createFollowing({
    database: databaseOf(tailPool),
    searchEvents: queries.searchEvents,
    logger,
    bufferBytes: config.tailBufferBytes,
    maxFollowers: config.maxFollowers,
    patienceMs: config.tailPatienceMs,
  });
  const metrics = createQueryMetrics(async () => (await getStats(queries)).lifetime, following);
  // Without NATS reads go on.
  const postgres = watchPostgres(
    (text) => database.query(text),
    ({ answers, hasSchema }) => health.set(answers && hasSchema, ['', queryServiceName, 'postgres']),
  );

  const grpc = await startGrpcServer({
    host: config.bindHost,
    port: config.grpcPort,
    portVariable: 'QUERY_GRPC_PORT',
    maxReceiveBytes: maxQuestionBytes,
    drainMs: config.drainMs,
    services: [
      queryService(queries, following, QueryServiceService, logger, metrics),
      health.service,
      ...reflectionServices([queryServiceName, 'grpc.health.v1.Health']),
    ],
  });
  const http = await startHttpServer({
    host: config.bindHost,
    port: config.httpPort,
    maxRequestBytes: config.maxRequestBytes,
    maxRequestBytesInFlight: config.maxRequestBytesInFlight,
    drainMs: config.drainMs,
    corsOrigins: config.corsOrigins,
    logger,
    serve: (app) =>
      serveRoutes(app, {
        bridge: { gateway, ...config },
        queries,
        metrics,
        following,
        logger,
        check: checksParts({ queries, gateway, names: config.names }),
      }),
  });

  return {
    addresses: { grpc: grpc.address, http: http.address },
    async stop() {
      postgres.stop();
      health.set(false);
      following.stop();
      await Promise.all([http.stop(), grpc.stop()]);
      gateway.close();
      await Promise.all([pool, listPool, auditPool, tailPool].map(endPool));
      await link.close();
    },
  };
};
