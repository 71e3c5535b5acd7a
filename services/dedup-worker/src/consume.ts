import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Load } from './metrics.js';
import { startPull } from './pull.js';

export interface ConsumeOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  readonly durable: string;
  /** So many messages may be asked for. */
  readonly mostAtOnce: number;
  readonly batchSize: number;
  readonly maxBatchBytes: number;
  readonly batchesInFlight: number;
  /** What does not fill a batch waits for the end of the one that is under way, and this long when that takes its time. */
  readonly lingerMs: number;
  readonly ackWaitMs: number;
  /** Brings a batch to its end; never rejects. `slot` is unique among those under way. */
  readonly settle: (batch: readonly Msg[], slot: number) => Promise<void>;
  /** The broker no longer hands out messages here. */
  readonly onLost: (why: string) => void;
}

export interface Consuming {
  /** Takes no more, gives back what was not begun, and waits for what was. */
  stop(): Promise<void>;
  /** Forgets what was not begun: it will be handed out again. */
  drop(): void;
  load(): Load;
}

const nak = Buffer.from('-NAK');
const working = Buffer.from('+WPI');

/**
 * Pulls messages and hands them on in batches: at once when idle, in large batches under load, since Postgres and this
 * process take less for an event the more of them come together.
 */
export function startConsuming(options: ConsumeOptions): Consuming {
  const { batchSize, maxBatchBytes, batchesInFlight, lingerMs, ackWaitMs } = options;
  let buffer: Msg[] = [];
  let sizes: number[] = [];
  let bufferedBytes = 0;
  let givingBack = false;
  let linger: NodeJS.Timeout | undefined;
  let overdue = false;
  let idleWanted: (() => void) | undefined;
  const freeSlots = Array.from({ length: batchesInFlight }, (_, slot) => slot);
  const underWay = new Set<readonly Msg[]>();

  const full = () => buffer.length >= batchSize || bufferedBytes >= maxBatchBytes;

  function keep(message: Msg): void {
    const { length } = message.data;
    buffer.push(message);
    sizes.push(length);
    bufferedBytes += length;
  }

  function takeBatch(): Msg[] {
    let bytes = 0;
    let count = 0;
    const limit = Math.min(batchSize, buffer.length);
    while (count < limit) {
      const size = sizes[count] as number;
      if (count > 0 && bytes + size > maxBatchBytes) break;
      bytes += size;
      count++;
    }
    const batch = buffer.slice(0, count);
    buffer = buffer.slice(count);
    sizes = sizes.slice(count);
    bufferedBytes -= bytes;
    return batch;
  }

  function dispatch(): void {
    let taken = false;
    while (buffer.length > 0 && freeSlots.length > 0 && (underWay.size === 0 || overdue || full())) {
      begin(freeSlots.pop() as number, takeBatch());
      taken = true;
    }
    if (taken || buffer.length === 0) stopWaiting();
    // What is left came later than what was taken.
    if (buffer.length > 0 && !overdue) linger ??= setTimeout(lingered, lingerMs);
    pull.ask();
  }

  function lingered(): void {
    linger = undefined;
    overdue = true;
    dispatch();
  }

  function stopWaiting(): void {
    clearTimeout(linger);
    linger = undefined;
    overdue = false;
  }

  function forget(): void {
    buffer = [];
    sizes = [];
    bufferedBytes = 0;
  }

  function begin(slot: number, batch: readonly Msg[]): void {
    underWay.add(batch);
    void options.settle(batch, slot).then(() => {
      underWay.delete(batch);
      freeSlots.push(slot);
      if (underWay.size === 0) idleWanted?.();
      dispatch();
    });
  }

  // Several messages arrive in one read of the socket: they are dispatched together, after it.
  let scheduled = false;
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      dispatch();
    });
  }

  const pull = startPull({
    connection: options.connection,
    stream: options.stream,
    durable: options.durable,
    mostMessages: Math.min(batchSize, options.mostAtOnce),
    mostBytes: maxBatchBytes,
    hasRoom: () => !full(),
    onMessage(message) {
      if (givingBack) {
        message.respond(nak);
        return;
      }
      keep(message);
      schedule();
    },
    onLost: options.onLost,
  });

  // What waits here must not be handed out again meanwhile, however long an outage of the database lasts.
  const keepAlive = setInterval(() => {
    for (const batch of underWay) for (const message of batch) message.respond(working);
    for (const message of buffer) message.respond(working);
  }, ackWaitMs / 3);

  return {
    load: () => ({ batchesUnderWay: underWay.size, messagesBuffered: buffer.length }),
    drop() {
      stopWaiting();
      pull.stop();
      forget();
      clearInterval(keepAlive);
    },
    async stop() {
      givingBack = true;
      stopWaiting();
      // What the broker has sent already it would hand out again only after ack_wait. No more is asked for before anything
      // is given back, so that it does not come here again.
      const drained = pull.drain();
      for (const message of buffer) message.respond(nak);
      forget();
      await drained;
      if (underWay.size > 0) await new Promise<void>((resolve) => (idleWanted = resolve));
      clearInterval(keepAlive);
    },
  };
}
