import { readTraceparent } from '@eventsieve/contract/traceparent';
import { type ChannelCredentials, Client, credentials } from '@grpc/grpc-js';
import type { Peer } from './call.js';
import { type CallMetadata, metadataSource } from './call-metadata.js';
import { refuse } from './error.js';

/** Certificates and keys are PEM, as text or bytes. */
export interface TlsOptions {
  /** Who is trusted, instead of the authorities that Node knows. */
  readonly ca?: string | Buffer | undefined;
  /** What the client shows of itself, for servers that ask for it; with `key`. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** The name that the server's certificate must have. Default: that of its address. */
  readonly serverName?: string | undefined;
}

export interface ConnectOptions {
  /** What a call may take when it does not say itself. Default: 15 s, which is more than a verdict may take. */
  readonly timeoutMs?: number | undefined;
  /** Encrypted connections; also when an address begins with https:// or grpcs://. */
  readonly tls?: boolean | TlsOptions | undefined;
  /**
   * Goes with each call as `authorization: Bearer …`. Never without TLS, but to this machine itself: whoever can read the
   * connection would have it. Who knows the network to be safe can set the header with `metadata`.
   */
  readonly apiKey?: string | undefined;
  /** More that goes with each call; a function is asked before each, and may take a while. */
  readonly metadata?: CallMetadata | undefined;
  /**
   * Which trace what is published belongs to (W3C Trace Context): a fixed one, or what the function gives at the moment of
   * the call. It goes with the events to the gateway and the worker, whose log lines about a copy have it.
   */
  readonly traceparent?: string | (() => string | undefined) | undefined;
  /** Stands before the client's own name. */
  readonly userAgent?: string | undefined;
}

const ownUserAgent = 'eventsieve-client/0.1.0';

export function connect(url: string, options: ConnectOptions): Peer {
  const [scheme = ''] = /^(?:grpc|http)s?:\/\//i.exec(url) ?? [];
  const address = url.slice(scheme.length).replace(/\/$/, '');
  const tls = options.tls ?? /s:/i.test(scheme);
  if (options.apiKey !== undefined && tls === false && !isLoopback(address)) {
    const message = `would travel to ${address} for everybody to read: switch on tls`;
    throw refuse([{ field: 'apiKey', message }]);
  }
  const serverName = typeof tls === 'object' ? tls.serverName : undefined;
  const client = new Client(address, credentialsOf(tls), {
    'grpc.max_receive_message_length': 64 * 1024 ** 2,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 5_000,
    // The default grows to two minutes, in which a server that is back would not be tried.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // Which failures may be tried again, and how often, is for the caller to say.
    'grpc.enable_retries': 0,
    'grpc.primary_user_agent': options.userAgent === undefined ? ownUserAgent : `${options.userAgent} ${ownUserAgent}`,
    ...(serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  });
  const timeoutMs = options.timeoutMs ?? 15_000;
  return {
    client,
    address,
    timeoutMs,
    metadata: metadataSource(options),
    traceparent: traceSource(options.traceparent),
  };
}

/** What is no traceparent is left out, and so is a failure: publishing does not depend on tracing. */
function traceSource(given: ConnectOptions['traceparent']): () => string | undefined {
  if (typeof given !== 'function') {
    const fixed = readTraceparent(given);
    return () => fixed;
  }
  return () => {
    try {
      return readTraceparent(given());
    } catch {
      return undefined;
    }
  };
}

function credentialsOf(tls: boolean | TlsOptions): ChannelCredentials {
  if (tls === false) return credentials.createInsecure();
  const { ca, cert, key } = tls === true ? {} : tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw refuse([
      { field: cert === undefined ? 'tls.cert' : 'tls.key', message: 'is missing: cert and key go together' },
    ]);
  }
  try {
    return credentials.createSsl(bytesOf(ca), bytesOf(key), bytesOf(cert));
  } catch (error) {
    throw refuse([{ field: 'tls', message: `cannot be used: ${(error as Error).message}` }]);
  }
}

const bytesOf = (pem: string | Buffer | undefined) => (pem === undefined ? null : Buffer.from(pem));

function isLoopback(address: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|::1)(?::\d+)?$/i.test(address) || address.startsWith('unix:');
}
