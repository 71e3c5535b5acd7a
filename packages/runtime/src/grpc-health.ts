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
  /** Says it to everyone who watches. */
  set(serving: boolean): void;
}

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/** grpc.health.v1: the empty name is the whole server, and each service follows it. */
export function createHealth(serviceNames: readonly string[]): Health {
  const known = new Set(['', ...serviceNames]);
  const watchers = new Set<Watcher>();
  let current = ServingStatus.NOT_SERVING;

  return {
    service: {
      definition: HealthService,
      implementation: {
        check(
          call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
          answer: sendUnaryData<HealthCheckResponse>,
        ) {
          if (known.has(call.request.service)) answer(null, { status: current });
          else answer({ code: status.NOT_FOUND, details: `unknown service ${call.request.service}` });
        },
        watch(call: Watcher) {
          if (!known.has(call.request.service)) return void call.write({ status: ServingStatus.SERVICE_UNKNOWN });
          watchers.add(call);
          call.on('cancelled', () => watchers.delete(call));
          call.write({ status: current });
        },
      },
    },
    set(serving) {
      const next = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
      if (next === current) return;
      current = next;
      for (const watcher of watchers) watcher.write({ status: current });
    },
  };
}
