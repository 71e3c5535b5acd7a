import { EventsieveError } from '@eventsieve/contract/errors';
import {
  IngestServiceService,
  type PublishRequest,
  type PublishResponse,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { HealthCheckResponse_ServingStatus, HealthService } from '@eventsieve/contract/gen/grpc/health/v1/health';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { traceparentHeader } from '@eventsieve/contract/traceparent';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { openPublishLines } from './publish-lines.js';
import { writeRequest } from './write-request.js';

export interface GatewayClient {
  publish(request: PublishRequest, timeoutMs: number, traceparent?: string): Promise<PublishResponse>;
  /** What the gateway says of `name` (itself, when that is empty); undefined when it says nothing. */
  isServing(name: string, timeoutMs: number): Promise<boolean | undefined>;
  close(): void;
}

const { path, responseDeserialize } = IngestServiceService.publish;
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
  const lines = openPublishLines(client);

  const call = (bytes: Buffer, timeoutMs: number, traceparent: string) =>
    new Promise<Buffer>((resolve, reject) => {
      const metadata = new Metadata();
      metadata.set(traceparentHeader, traceparent);
      client.makeUnaryRequest(path, asItIs, asItIs, bytes, metadata, deadlineIn(timeoutMs), (error, answer) => {
        if (error) reject(fromGrpcError(error));
        else resolve(answer as Buffer);
      });
    });

  return {
    publish(request, timeoutMs, traceparent) {
      const bytes = writeRequest(request);
      // A trace is said in the metadata of a call.
      const answer = traceparent === undefined ? lines.publish(bytes, timeoutMs) : call(bytes, timeoutMs, traceparent);
      return answer.then(responseDeserialize, (error) => {
        throw nameGateway(error);
      });
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
    close() {
      lines.close();
      client.close();
    },
  };
}

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
