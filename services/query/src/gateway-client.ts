import { EventsieveError } from '@eventsieve/contract/errors';
import {
  IngestServiceService,
  type PublishRequest,
  type PublishResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { HealthCheckResponse_ServingStatus, HealthService } from '@eventsieve/contract/gen/grpc/health/v1/health';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { traceparentHeader } from '@eventsieve/contract/traceparent';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

export interface GatewayClient {
  publish(request: PublishRequest, timeoutMs: number, traceparent?: string): Promise<PublishResponse>;
  /** What the gateway says of `name` (itself, when that is empty); undefined when it says nothing. */
  isServing(name: string, timeoutMs: number): Promise<boolean | undefined>;
  close(): void;
}

const { path, requestSerialize, responseDeserialize } = IngestServiceService.publish;
const asItIs = (bytes: Buffer) => bytes;

/** Where the bridge hands events on. */
export function connectGateway(address: string, maxMessageBytes: number): GatewayClient {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // The default grows to two minutes, in which a gateway that is back would not be tried.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_retries': 0,
  });
  const deadlineIn = (ms: number) => ({ deadline: Date.now() + ms });

  return {
    publish(request, timeoutMs, traceparent) {
      const metadata = new Metadata();
      if (traceparent !== undefined) metadata.set(traceparentHeader, traceparent);
      const bytes = requestSerialize(request);
      return new Promise<Buffer>((resolve, reject) => {
        client.makeUnaryRequest(path, asItIs, asItIs, bytes, metadata, deadlineIn(timeoutMs), settles(resolve, reject));
      }).then(responseDeserialize);
    },
    isServing: (name, timeoutMs) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          HealthService.check.path,
          HealthService.check.requestSerialize,
          HealthService.check.responseDeserialize,
          { service: name },
          new Metadata(),
          deadlineIn(timeoutMs),
          (error, response) =>
            resolve(error ? undefined : response?.status === HealthCheckResponse_ServingStatus.SERVING),
        );
      }),
    close: () => client.close(),
  };
}

/**
 * grpc-js holds on to what a call came with for a while after its end. So it gets and gives bytes, and its callback is made
 * where no events are in reach.
 */
const settles =
  (resolve: (answer: Buffer) => void, reject: (error: unknown) => void) =>
  (error: ServiceError | null, answer?: Buffer): void => {
    if (error) reject(nameGateway(fromGrpcError(error)));
    else resolve(answer as Buffer);
  };

/** What the gateway says itself has a reason. Without one it is grpc-js that speaks, and not of which server. */
function nameGateway(error: EventsieveError): EventsieveError {
  if (error.reason !== undefined) return error;
  const details = { reason: 'GATEWAY_AWAY', retryAfterMs: 1_000 };
  const unknown = 'it is not known whether events were taken; publish the same events again';
  if (error.code === 'UNAVAILABLE')
    return new EventsieveError(error.code, `the gateway cannot be reached; ${unknown}`, details);
  if (error.code === 'DEADLINE_EXCEEDED')
    return new EventsieveError(error.code, `the gateway did not answer in time; ${unknown}`, details);
  return error;
}
