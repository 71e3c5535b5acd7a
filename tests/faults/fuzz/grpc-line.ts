import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { Status } from '@eventsieve/contract/gen/google/rpc/status';

export interface RawCall {
  readonly path: string;
  /** Everything after the headers, framed already. */
  readonly data: Uint8Array;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** Says no more, and hangs up after a moment. */
  readonly silent?: boolean;
  /** Never ends by itself: its first message is its answer. */
  readonly endless?: boolean;
}

export interface RawAnswer {
  /** Undefined when the stream or the connection was closed instead. */
  readonly code: number | undefined;
  readonly message: string;
  /** The server's own words, not those of its gRPC library. */
  readonly own: boolean;
  readonly body: Buffer;
  readonly late: boolean;
}

export interface GrpcLine {
  call(call: RawCall): Promise<RawAnswer>;
  close(): void;
}

const lateMs = 15_000;
const silenceMs = 150;

export function frameOf(message: Uint8Array, flag = 0, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, message]);
}

/** gRPC without a gRPC library: whatever bytes. A connection that the server closes is opened anew. */
export function openGrpcLine(address: string): GrpcLine {
  let session: ClientHttp2Session | undefined;
  function open(): ClientHttp2Session {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    const opened = connect(`http://${address}`);
    opened.on('error', () => undefined);
    opened.on('goaway', () => opened.close());
    session = opened;
    return opened;
  }
  return {
    call: (call) =>
      new Promise((resolve) => {
        let trailers: Record<string, unknown> = {};
        const chunks: Buffer[] = [];
        let late = false;
        let stream: ClientHttp2Stream;
        const done = () => {
          clearTimeout(timer);
          resolve(answerOf(trailers, Buffer.concat(chunks), late));
        };
        const timer = setTimeout(
          () => {
            late = call.silent !== true;
            stream?.close(constants.NGHTTP2_CANCEL);
          },
          call.silent ? silenceMs : lateMs,
        );
        try {
          const fixed = { ':method': 'POST', ':path': call.path, 'content-type': 'application/grpc', te: 'trailers' };
          stream = open().request({ ...fixed, ...call.headers });
        } catch {
          return done();
        }
        const keep = (headers: object) => {
          trailers = { ...trailers, ...headers };
        };
        stream.on('response', keep).on('trailers', keep);
        stream.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if (!call.endless || trailers['grpc-status'] !== undefined) return;
          keep({ 'grpc-status': '0' });
          stream.close(constants.NGHTTP2_CANCEL);
        });
        stream.on('error', () => undefined);
        stream.on('close', done);
        if (call.silent) stream.write(call.data);
        else stream.end(call.data);
      }),
    close: () => session?.destroy(),
  };
}

function answerOf(trailers: Record<string, unknown>, body: Buffer, late: boolean): RawAnswer {
  const status = trailers['grpc-status'];
  const details = trailers['grpc-status-details-bin'];
  const code = status === undefined ? undefined : Number(status);
  let message = String(trailers['grpc-message'] ?? '');
  let own = false;
  if (typeof details === 'string') {
    own = true;
    message = Status.decode(Buffer.from(details, 'base64')).message;
  }
  return { code, message, own, body, late };
}
