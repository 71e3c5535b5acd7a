import { traceparentHeader } from '@eventsieve/contract/traceparent';
import type { Client, ClientUnaryCall, Metadata, MethodDefinition, ServiceError } from '@grpc/grpc-js';
import type { MetadataSource } from './call-metadata.js';
import { closed, noMetadata, ofGrpc, timedOut, unreadable } from './error.js';
import { onAbort } from './on-abort.js';

export interface CallSettings {
  /** The call ends with DEADLINE_EXCEEDED after it. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /** The call ends with the signal's reason when it fires. */
  readonly signal?: AbortSignal | undefined;
}

export interface TracedSettings extends CallSettings {
  readonly traceparent?: string | undefined;
}

/** Where a method is, and how its messages become bytes, and bytes its messages. */
export type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

/** One server, and how long a call to it may take when the caller does not say. */
export interface Peer {
  readonly client: Client;
  readonly address: string;
  readonly timeoutMs: number;
  readonly metadata: MetadataSource;
  /** Which trace a call that is made now belongs to. */
  readonly traceparent: () => string | undefined;
}

const asItIs = (bytes: Buffer) => bytes;

/**
 * The answer is read here and not in grpc-js, which holds on to it for a while after the call: hundreds of events that
 * live a little too long are what makes collecting garbage slow.
 */
export async function callUnary<Request, Response>(
  peer: Peer,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
  request: Request,
  { timeoutMs = peer.timeoutMs, signal, traceparent }: TracedSettings = {},
): Promise<Response> {
  const options = { deadline: Date.now() + timeoutMs };
  const given = metadataFor(peer, timeoutMs, signal);
  const metadata = given instanceof Promise ? await given : given;
  signal?.throwIfAborted();
  if (traceparent !== undefined) metadata.set(traceparentHeader, traceparent);
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    let stopListening = () => {};
    const done = (error: ServiceError | null, answer?: Buffer) => {
      stopListening();
      if (!error) resolve(answer as Buffer);
      else reject(signal?.aborted ? signal.reason : ofGrpc(error, peer.address));
    };
    let call: ClientUnaryCall;
    try {
      call = peer.client.makeUnaryRequest(path, requestSerialize, asItIs, request, metadata, options, done);
    } catch (error) {
      // All that grpc-js throws instead of answering: its channel was closed.
      return void reject(closed(`the client of ${peer.address} is closed`, error));
    }
    stopListening = onAbort(signal, () => call.cancel());
  });
  try {
    return responseDeserialize(bytes);
  } catch (error) {
    throw unreadable(peer.address, error);
  }
}

/** A promise only when the caller's function gives one. */
export function metadataFor(
  peer: Peer,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Metadata | Promise<Metadata> {
  const given = peer.metadata();
  return given instanceof Promise ? inTime(given, timeoutMs, signal) : given;
}

/** The caller's own function must not hold a call for ever. */
function inTime<T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(timedOut(`the metadata of the call did not come within ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    const stopListening = onAbort(signal, () => reject(signal?.reason));
    work
      .then(resolve, (error) => reject(noMetadata(error)))
      .finally(() => {
        clearTimeout(timer);
        stopListening();
      });
  });
}
