import type { ServiceError } from '@grpc/grpc-js';
import { type Method, metadataFor, type Peer } from './call.js';
import { closed, ofGrpc } from './error.js';

export interface StreamSettings {
  /** The call ends when it fires. */
  readonly signal: AbortSignal;
  /** Who is waited for and says nothing for so long is gone, whatever the connection says. */
  readonly silenceMs: number;
}

/**
 * The answers as they come, of which a few are held at most: while nobody asks for the next one, nothing is read, and the
 * server is slowed down. The call ends with the loop.
 */
export async function* callStream<Request, Response>(
  peer: Peer,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
  request: Request,
  { signal, silenceMs }: StreamSettings,
): AsyncGenerator<Response> {
  const metadata = await metadataFor(peer, peer.timeoutMs, signal);
  signal.throwIfAborted();
  const call = begin(
    () => peer.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, {}),
    peer.address,
  );
  // Cancelling is an error, too, and may come when the loop has ended.
  call.on('error', () => undefined);
  const cancel = () => call.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  let waitingSinceMs: number | undefined = performance.now();
  const watch = setInterval(() => {
    if (waitingSinceMs !== undefined && performance.now() - waitingSinceMs > silenceMs) cancel();
  }, silenceMs / 4);
  try {
    for await (const response of call as AsyncIterable<Response>) {
      waitingSinceMs = undefined;
      yield response;
      waitingSinceMs = performance.now();
    }
  } catch (error) {
    throw ofGrpc(error as ServiceError, peer.address);
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

function begin<T>(call: () => T, address: string): T {
  try {
    return call();
  } catch (error) {
    // All that grpc-js throws instead of answering: its channel was closed.
    throw closed(`the client of ${address} is closed`, error);
  }
}
