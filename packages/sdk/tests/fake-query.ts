import type { EventsieveError } from '@eventsieve/contract/errors';
import {
  type ListEventsRequest,
  ListEventsResponse,
  QueryServiceService,
  type TailEventsRequest,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { toGrpcStatus } from '@eventsieve/contract/grpc-errors';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';

/** A call to follow, and what it is told. A cursor is the position as text. */
export interface FakeTail {
  readonly request: TailEventsRequest;
  /** Where it is, and no more. */
  signOfLife(position: number): void;
  event(position: number, text?: string): void;
  /** Resolves once there is room for more. */
  room(): Promise<void>;
  end(): void;
  fail(error: EventsieveError): void;
  readonly isOver: () => boolean;
}

/** A query service that does what the test says with each call. */
export async function startFakeQuery(
  onTail: (tail: FakeTail, number: number) => void,
  pages: readonly Partial<ListEventsResponse>[] = [],
) {
  const server = new Server();
  const tails: FakeTail[] = [];
  const lists: ListEventsRequest[] = [];
  const { tailEvents, listEvents } = QueryServiceService;
  server.addService(
    { tailEvents, listEvents },
    {
      listEvents({ request }: ServerUnaryCall<ListEventsRequest, unknown>, done: sendUnaryData<ListEventsResponse>) {
        done(null, ListEventsResponse.fromPartial(pages[lists.push(request) - 1] ?? {}));
      },
      tailEvents(call: ServerWritableStream<TailEventsRequest, unknown>) {
        const at = { seconds: 1_700_000_000n, nanos: 0 };
        const tail: FakeTail = {
          request: call.request,
          signOfLife: (position) => void call.write({ event: undefined, cursor: String(position) }),
          event(position, text = '') {
            const payloadJson = JSON.stringify({ text });
            const event = { topic: 't', eventId: `e${position}`, source: 's', timestamp: at, payloadJson };
            call.write({ event: { event, position: BigInt(position), receivedAt: at }, cursor: String(position) });
          },
          room: () => new Promise((resolve) => (call.writableNeedDrain ? call.once('drain', resolve) : resolve())),
          end: () => void call.end(),
          fail: (error) => void call.emit('error', toGrpcStatus(error)),
          isOver: () => call.cancelled || call.destroyed,
        };
        tails.push(tail);
        onTail(tail, tails.length);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, tails, lists, stop: () => server.forceShutdown() };
}

export type FakeQuery = Awaited<ReturnType<typeof startFakeQuery>>;
