import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from './logger.js';
import { parseMessagesAtOnce } from './message-parser.js';

export interface BrokerLinkOptions {
  readonly url: string;
  readonly name: string;
  readonly logger: Logger;
  /** After the first connect and after every reconnect. */
  onUp?(connection: NatsConnection): void;
  /** At once when the connection is lost. */
  onDown?(): void;
}

/** One connection to the broker that comes and goes: a service starts without it and outlives it. */
export interface BrokerLink {
  /** The connection while it is up. */
  connection(): NatsConnection | undefined;
  close(): Promise<void>;
}

const retryMs = 500;
// A broker that keeps the connection and does not answer must not hold up the end of a process.
const flushPatienceMs = 500;

export function openBrokerLink(options: BrokerLinkOptions): BrokerLink {
  const { url, name, logger } = options;
  let connection: NatsConnection | undefined;
  let up = false;
  let closed = false;
  let complained = false;
  let retry: NodeJS.Timeout | undefined;

  function goUp(nc: NatsConnection): void {
    up = true;
    logger.info({ server: nc.getServer(), version: nc.info?.version }, 'connected to NATS');
    options.onUp?.(nc);
  }

  function goDown(): void {
    if (!up) return;
    up = false;
    if (!closed) logger.warn('connection to NATS lost');
    options.onDown?.();
  }

  async function follow(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') goDown();
      else if (status.type === 'reconnect') goUp(nc);
      else if (status.type === 'error') logger.warn({ err: status.error }, 'NATS reported an error');
    }
  }

  async function open(): Promise<void> {
    try {
      const nc = await connect({
        servers: url,
        name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: retryMs,
        reconnectJitter: 100,
        // A half-open socket is noticed after two unanswered pings, in seconds instead of the default's minutes.
        pingInterval: 3_000,
        maxPingOut: 2,
        timeout: 5_000,
        ignoreAuthErrorAbort: true,
        // A stack trace kept per request costs more than the request.
        noAsyncTraces: true,
      });
      if (closed) return void (await nc.close());
      parseMessagesAtOnce(nc);
      connection = nc;
      void follow(nc);
      void nc.closed().then(() => {
        goDown();
        if (!closed) schedule();
      });
      goUp(nc);
    } catch (error) {
      if (!complained) logger.warn({ err: error }, 'NATS cannot be reached; trying on');
      complained = true;
      schedule();
    }
  }

  function schedule(): void {
    if (!closed) retry = setTimeout(() => void open(), retryMs);
  }

  void open();

  return {
    connection: () => (up ? connection : undefined),
    async close() {
      closed = true;
      clearTimeout(retry);
      if (connection === undefined || connection.isClosed()) return;
      if (up) {
        const patience = new Promise((resolve) => setTimeout(resolve, flushPatienceMs).unref());
        await Promise.race([connection.flush().catch(() => undefined), patience]);
      }
      await connection.close();
    },
  };
}
