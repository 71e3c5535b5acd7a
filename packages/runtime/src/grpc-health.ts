import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import type { GrpcService } from './grpc-server.js';

export interface Health {
  readonly service: GrpcService;
  /** Says it of these names, or of all, to everyone who watches. */
  set(serving: boolean, names?: readonly string[]): void;
}

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/**
 * grpc.health.v1: the empty name is the whole server. Beside the names of services there are those of the parts that the
 * server leans on, so that a look says which one is down.
 */
export function createHealth(names: readonly string[]): Health {
  const current = new Map(['', ...names].map((name) => [name, ServingStatus.NOT_SERVING]));
  const watchers = new Set<Watcher>();

  return {
    service: {
      definition: HealthService,
      implementation: {
        check(
          { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
          answer: sendUnaryData<HealthCheckResponse>,
        ) {
          const now = current.get(request.service);
          if (now !== undefined) answer(null, { status: now });
          else answer({ code: status.NOT_FOUND, details: `unknown service ${request.service}` });
        },
        watch(call: Watcher) {
          const now = current.get(call.request.service);
          if (now === undefined) return void call.write({ status: ServingStatus.SERVICE_UNKNOWN });
          watchers.add(call);
          call.on('cancelled', () => watchers.delete(call));
          call.write({ status: now });
        },
      },
    },
    set(serving, changed = [...current.keys()]) {
      const next = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
      const news = new Set(changed.filter((name) => current.get(name) !== next));
      for (const name of news) current.set(name, next);
      for (const watcher of watchers) if (news.has(watcher.request.service)) watcher.write({ status: next });
    },
  };
}
