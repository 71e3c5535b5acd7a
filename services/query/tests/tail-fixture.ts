import { QueryServiceClient, QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { startGrpcServer } from '@eventsieve/runtime/grpc-server';
import { credentials } from '@grpc/grpc-js';
import { createFollowing, type Following, type FollowingOptions } from '../src/follow/following.js';
import { serveEventsStream } from '../src/http/events-stream.js';
import { startHttpServer } from '../src/http/server.js';
import type { Queries } from '../src/queries.js';
import { queryService } from '../src/rpc/query-service.js';
import { silent } from './query-fixture.js';

export interface Doors {
  readonly following: Following;
  readonly http: string;
  readonly grpc: string;
  /** What the metrics were told. */
  readonly sent: Readonly<Record<'http' | 'grpc', number>>;
  client(): QueryServiceClient;
  stop(): Promise<void>;
}

/** Both doors of followers, in this process. */
export async function openDoors(
  { database, searchEvents }: Pick<Queries, 'database' | 'searchEvents'>,
  options: Partial<FollowingOptions> = {},
): Promise<Doors> {
  const following = createFollowing({
    database,
    searchEvents,
    logger: silent,
    bufferBytes: 16 * 1024 ** 2,
    maxFollowers: 1_000,
    patienceMs: 10_000,
    ...options,
  });
  const sent = { http: 0, grpc: 0 };
  const followed = (door: 'http' | 'grpc', events: number) => {
    sent[door] += events;
  };
  const metrics = { followed, called: () => undefined };
  const drainMs = 5_000;
  const http = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 100_000,
    drainMs,
    corsOrigins: ['https://page.example'],
    logger: silent,
    serve: (app) => serveEventsStream(app, { following, metrics, logger: silent }),
  });
  const grpc = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'none',
    maxReceiveBytes: 1024 ** 2,
    drainMs,
    services: [queryService({} as Queries, following, QueryServiceService, silent, metrics)],
  });
  const clients: QueryServiceClient[] = [];
  return {
    following,
    http: http.address,
    grpc: grpc.address,
    sent,
    client() {
      const client = new QueryServiceClient(grpc.address, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      });
      clients.push(client);
      return client;
    },
    async stop() {
      following.stop();
      await Promise.all([http.stop(), grpc.stop()]);
      for (const client of clients) client.close();
    },
  };
}
