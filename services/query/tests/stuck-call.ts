import { type ClientHttp2Stream, connect } from 'node:http2';
import { TailEventsRequest, TailEventsResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { Metadata, type ServiceError } from '@grpc/grpc-js';

/** A call of TailEvents that takes nothing until it is told to: a client of grpc-js reads ahead. */
export interface StuckCall {
  /** Takes everything to the end: the positions, and the error. */
  takeAll(): Promise<{ readonly positions: number[]; readonly error: ReturnType<typeof fromGrpcError> }>;
  close(): void;
}

export function openStuckCall(address: string, request: Partial<TailEventsRequest>): StuckCall {
  const session = connect(`http://${address}`);
  session.on('error', () => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/eventsieve.v1.QueryService/TailEvents',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.end(framed(TailEventsRequest.encode(TailEventsRequest.fromPartial(request)).finish()));
  return {
    close: () => session.destroy(),
    async takeAll() {
      const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
      const positions = (await messagesOf(stream)).flatMap(({ event }) => (event ? [Number(event.position)] : []));
      const given = await trailers;
      session.close();
      const metadata = new Metadata();
      metadata.set('grpc-status-details-bin', Buffer.from(String(given['grpc-status-details-bin']), 'base64'));
      const status = { code: Number(given['grpc-status']), details: String(given['grpc-message']), metadata };
      return { positions, error: fromGrpcError(status as ServiceError) };
    },
  };
}

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function messagesOf(stream: ClientHttp2Stream): Promise<TailEventsResponse[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const messages: TailEventsResponse[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    messages.push(TailEventsResponse.decode(bytes.subarray(at + 5, end)));
    at = end;
  }
  return messages;
}
