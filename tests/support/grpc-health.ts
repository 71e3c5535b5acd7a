import {
  HealthClient,
  HealthCheckResponse_ServingStatus as Status,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { credentials } from '@grpc/grpc-js';

export interface HealthView {
  /** What grpc.health.v1 says of a name: SERVING, NOT_SERVING, or that nobody answers. */
  check(name: string): Promise<string>;
  /** Everything that a watch of the name has said so far. */
  watch(name: string): readonly string[];
  close(): void;
}

export function viewHealth(address: string): HealthView {
  const client = new HealthClient(address, credentials.createInsecure());
  return {
    check: (service) =>
      new Promise((resolve) => {
        client.check({ service }, (error, response) =>
          resolve(error ? error.message : (Status[response.status] ?? '?')),
        );
      }),
    watch(service) {
      const said: string[] = [];
      client
        .watch({ service })
        .on('data', ({ status }: { status: Status }) => said.push(Status[status] ?? '?'))
        .on('error', () => undefined);
      return said;
    },
    close: () => client.close(),
  };
}
