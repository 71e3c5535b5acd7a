import { EventsieveError } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  IngestServiceService,
  Outcome,
  PublishRequest,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';

/** A call as it came, and how it is answered. */
export interface FakeCall {
  readonly bytes: Buffer;
  readonly request: PublishRequest;
  readonly ids: readonly string[];
  readonly metadata: Metadata;
  readonly cancelled: () => boolean;
  /** Every event is stored. */
  answer(): void;
  fail(error: EventsieveError): void;
  reply(results: PublishResponse['results']): void;
}

/** A gateway that does what the test says with each call. */
export async function startFakeGateway(
  onCall: (call: FakeCall, number: number) => void,
  credentials = ServerCredentials.createInsecure(),
  port = 0,
) {
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 ** 2 });
  const calls: FakeCall[] = [];
  const publish = {
    ...IngestServiceService.publish,
    requestDeserialize: (bytes: Buffer) => bytes as unknown as PublishRequest,
  };
  server.addService(
    { publish },
    {
      publish(call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<unknown>) {
        const bytes = Buffer.from(call.request as Buffer);
        const request = PublishRequest.decode(bytes);
        const reply = (results: PublishResponse['results']) =>
          done(null, {
            received: results.length,
            accepted: results.length,
            inserted: 0,
            duplicates: 0,
            conflicts: 0,
            rejected: 0,
            results,
          });
        const fake: FakeCall = {
          bytes,
          request,
          ids: request.events.map(({ eventId }) => eventId),
          metadata: call.metadata,
          cancelled: () => call.cancelled,
          answer: () => reply(request.events.map((event, index) => storedResult(event, index))),
          fail: (error) => done(toGrpcStatus(error)),
          reply,
        };
        calls.push(fake);
        onCall(fake, calls.length);
      },
    },
  );
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, found) => (error ? reject(error) : resolve(found)));
  });
  return {
    address: `127.0.0.1:${bound}`,
    calls,
    ids: () => calls.flatMap(({ ids }) => ids),
    stop: () => server.forceShutdown(),
  };
}

export function storedResult({ topic, eventId }: Event, index: number): PublishResponse['results'][number] {
  const position = BigInt(index + 1);
  return { topic, eventId, outcome: Outcome.OUTCOME_STORED, position, firstSeenAt: undefined, error: undefined };
}

export const busy = (retryAfterMs = 0) =>
  new EventsieveError('UNAVAILABLE', 'busy', { reason: 'BUSY', ...(retryAfterMs ? { retryAfterMs } : {}) });

export { EventsieveError as ServerError, Outcome, status, WaitFor };
