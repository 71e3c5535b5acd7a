import { pullSubjectOf } from '@eventsieve/contract/names';
import { createInbox, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node';

export interface PullOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly durable: string;
  /** What may be on its way here at once, and be asked for. */
  readonly mostMessages: number;
  /** The same in bytes, for each time that it is asked; a single message may be as large as the broker takes any. */
  readonly mostBytes: number;
  /** While there is no room nothing more is asked for. */
  readonly hasRoom: () => boolean;
  readonly onMessage: (message: Msg) => void;
  /** Nothing more comes from here. */
  readonly onLost: (why: string) => void;
  /** How often the broker says that it is there while it has no message. */
  readonly heartbeatMs?: number;
}

export interface Pull {
  /** To be called when there is room again. */
  ask(): void;
  /** Asks for no more; what the broker has sent already still comes before this ends. */
  drain(): Promise<void>;
  /** At once. */
  stop(): void;
}

const expiresMs = 10_000;
const usualHeartbeatMs = 2_000;
/** So many heartbeats in a row that did not come mean that no request is left, whatever this side believes. */
const silentOfNone = 2;
/** And so many that nobody answers. */
const mostSilent = 4;
const drainMs = 1_000;
// Beside its payload a message counts with its subject, its headers and the subject of its ack.
const roomBesidePayload = 16 * 1024;
// A request whose bytes are used up to the last one ends without a word, and what was left of its messages seems to be on its
// way for ever. Of messages of one size, each request would.
const bytesToVary = 4 * 1024;

// What ends a request for messages, by its status.
const heartbeat = 100;
const requestTimeout = 408;
const requestEnded = 409;
const noResponders = 503;

/**
 * Asks the durable for messages, for as many as there is room for by count and by bytes. The client's own consume() is
 * bounded by one of them, and takes each message through a queue, a promise and an object more.
 */
export function startPull(options: PullOptions): Pull {
  const { connection, stream, durable, mostMessages, hasRoom, onMessage, onLost } = options;
  const { heartbeatMs = usualHeartbeatMs } = options;
  const subject = pullSubjectOf(stream, durable);
  const inbox = createInbox();
  let onTheWay = 0;
  let silent = 0;
  let over = false;

  const subscription = connection.subscribe(inbox, {
    callback(error, message) {
      silent = 0;
      if (error) return lose(`the pull failed: ${error.message}`);
      // Messages come with their own subject, what the broker says of a request with the inbox's.
      if (message.subject === inbox) return hear(message);
      if (onTheWay > 0) onTheWay--;
      onMessage(message);
      ask();
    },
  });

  function ask(): void {
    if (over || onTheWay > mostMessages / 2 || !hasRoom()) return;
    const batch = mostMessages - onTheWay;
    onTheWay += batch;
    const largest = (connection.info?.max_payload ?? 0) + roomBesidePayload;
    const request = {
      batch,
      max_bytes: Math.max(options.mostBytes, largest) + Math.floor(Math.random() * bytesToVary),
      expires: nanos(expiresMs),
      idle_heartbeat: nanos(heartbeatMs),
    };
    try {
      connection.publish(subject, JSON.stringify(request), { reply: inbox });
    } catch (error) {
      lose(`the pull failed: ${String(error)}`);
    }
  }

  function hear({ headers }: Msg): void {
    const { code = 0, description = '' } = headers ?? {};
    if (code === heartbeat) return;
    const left = headers?.get('Nats-Pending-Messages');
    // Timed out, or of so many bytes that the next message would be too much.
    if ((code === requestTimeout || code === requestEnded) && left) {
      onTheWay = Math.max(0, onTheWay - Number(left));
      ask();
    } else if (!over) {
      lose(code === noResponders ? 'nobody answers for the consumer' : `the pull ended: ${code} ${description}`);
    }
  }

  function lose(why: string): void {
    if (over) return;
    stop();
    onLost(why);
  }

  const watching = setInterval(() => {
    silent = onTheWay === 0 ? 0 : silent + 1;
    if (silent >= mostSilent) lose('the broker says nothing any more');
    else if (silent === silentOfNone) {
      onTheWay = 0;
      ask();
    }
  }, heartbeatMs);

  function close(): void {
    over = true;
    clearInterval(watching);
  }

  function stop(): void {
    close();
    subscription.unsubscribe();
  }

  ask();

  return {
    ask,
    stop,
    async drain() {
      close();
      const late = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
      await Promise.race([subscription.drain().catch(() => undefined), late]);
      subscription.unsubscribe();
    },
  };
}
