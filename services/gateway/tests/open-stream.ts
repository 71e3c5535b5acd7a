import { connect, type IncomingHttpHeaders } from 'node:http2';
import type { EventsieveError } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import {
  type IngestServiceClient,
  IngestServiceService,
  PublishRequest,
  PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

export interface RequestOptions {
  readonly waitFor?: WaitFor;
  readonly allowPartial?: boolean;
}

/** One PublishStream call. */
export function openStream(client: IngestServiceClient, options: CallOptions = {}, metadata = new Metadata()) {
  const call = client.publishStream(metadata, options);
  const answers: PublishResponse[] = [];
  /** Undefined: OK. */
  const ended = new Promise<EventsieveError | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(fromGrpcError(error)));
    call.on('status', ({ code }) => code === 0 && resolve(undefined));
  });
  call.on('data', (answer: PublishResponse) => answers.push(answer));
  return {
    call,
    answers,
    ended,
    send: (events: Event[], { waitFor = WaitFor.WAIT_FOR_BROKER, allowPartial = false }: RequestOptions = {}) =>
      call.write({ events, waitFor, allowPartial }),
    end: () => call.end(),
    /** The ids that were answered. */
    ids: () => answers.map(({ results }) => results.map(({ eventId }) => eventId)),
  };
}

/** A call that reads no answer before it is told to: grpc-js reads them all, whether anybody takes them or not. */
export function openDeafStream(address: string, headers: Readonly<Record<string, string>> = {}) {
  const session = connect(`http://${address}`);
  session.on('error', () => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': IngestServiceService.publishStream.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  const chunks: Buffer[] = [];
  return {
    send(events: Event[]) {
      const message = PublishRequest.encode({ events, waitFor: WaitFor.WAIT_FOR_BROKER, allowPartial: false }).finish();
      const head = Buffer.alloc(5);
      head.writeUInt32BE(message.length, 1);
      stream.write(Buffer.concat([head, message]));
    },
    end: () => stream.end(),
    /** Reads all; resolves with the answers and the status. */
    async readAll() {
      const trailers = new Promise<IncomingHttpHeaders>((resolve) => stream.on('trailers', resolve));
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      const answers: PublishResponse[] = [];
      for (let rest = Buffer.concat(chunks); rest.length > 0; ) {
        const end = 5 + rest.readUInt32BE(1);
        answers.push(PublishResponse.decode(rest.subarray(5, end)));
        rest = rest.subarray(end);
      }
      return { answers, status: Number((await trailers)['grpc-status']) };
    },
    close: () => session.destroy(),
  };
}
