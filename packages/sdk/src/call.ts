import { type CallOptions, type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ofGrpc } from './error.js';

export interface CallSettings {
  /** The call ends with DEADLINE_EXCEEDED after it. Default: the client's. */
  readonly timeoutMs?: number | undefined;
  /** The call ends with the signal's reason when it fires. */
  readonly signal?: AbortSignal | undefined;
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  done: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** One server, and how long a call to it may take when the caller does not say. */
export interface Peer<Client> {
  readonly client: Client;
  readonly address: string;
  readonly timeoutMs: number;
}

export function callUnary<Request, Response>(
  peer: Peer<unknown>,
  method: Method<Request, Response>,
  request: Request,
  { timeoutMs = peer.timeoutMs, signal }: CallSettings = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const options = { deadline: Date.now() + timeoutMs };
    const call = method.call(peer.client, request, new Metadata(), options, (error, response) => {
      signal?.removeEventListener('abort', cancel);
      if (!error) resolve(response);
      else reject(signal?.aborted ? signal.reason : ofGrpc(error, peer.address));
    });
    const cancel = () => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}
