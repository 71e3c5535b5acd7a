import type { Logger } from '@eventsieve/runtime/logger';
import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import type { Subscription } from '@nats-io/transport-node';
import type { Load } from './metrics.js';

export interface ConsumeOptions {
  readonly consumer: Consumer;
  readonly logger: Logger;
  readonly batchSize: number;
  readonly maxBatchBytes: number;
  readonly batchesInFlight: number;
  /** What does not fill a batch waits for the end of the one that is under way, and this long when that takes its time. */
  readonly lingerMs: number;
  readonly ackWaitMs: number;
  /** Brings a batch to its end; never rejects. `slot` is unique among those under way. */
  readonly settle: (batch: readonly JsMsg[], slot: number) => Promise<void>;
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

/**
 * Pulls messages and hands them on in batches: at once when idle, in large batches under load, since Postgres and this
 * process take less for an event the more of them come together.
 */
export async function startConsuming(options: ConsumeOptions): Promise<Consuming> {
  const { consumer, logger, batchSize, maxBatchBytes, batchesInFlight, lingerMs, ackWaitMs } = options;
  const messages = await consumer.consume({ max_messages: batchSize, expires: 10_000, idle_heartbeat: 2_000 });
  let buffer: JsMsg[] = [];
  let sizes: number[] = [];
  let bufferedBytes = 0;
  let closed = false;
  let givingBack = false;
  let linger: NodeJS.Timeout | undefined;
  let overdue = false;
  let roomWanted: (() => void) | undefined;
  let idleWanted: (() => void) | undefined;
  const freeSlots = Array.from({ length: batchesInFlight }, (_, slot) => slot);
  const underWay = new Set<readonly JsMsg[]>();

  const full = () => buffer.length >= batchSize || bufferedBytes >= maxBatchBytes;

  function keep(message: JsMsg): void {
    const { length } = message.data;
    buffer.push(message);
    sizes.push(length);
    bufferedBytes += length;
  }

  function takeBatch(): JsMsg[] {
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
    if (!full()) roomWanted?.();
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

  function begin(slot: number, batch: readonly JsMsg[]): void {
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

  async function pump(): Promise<void> {
    try {
      for await (const message of messages) {
        if (givingBack) {
          message.nak();
          continue;
        }
        if (closed) break;
        keep(message);
        schedule();
        if (full()) await new Promise<void>((resolve) => (roomWanted = resolve));
      }
      if (!closed) options.onLost('the pull ended');
    } catch (error) {
      if (!closed) options.onLost(`the pull failed: ${String(error)}`);
    }
  }

  const lossSigns = new Set(['consumer_deleted', 'consumer_not_found', 'stream_not_found', 'no_responders']);
  async function watch(from: ConsumerMessages): Promise<void> {
    let missed = 0;
    for await (const status of from.status()) {
      missed = status.type === 'heartbeats_missed' ? missed + 1 : 0;
      if (lossSigns.has(status.type) || missed >= 2) return options.onLost(status.type);
      if (status.type !== 'debug' && status.type !== 'next') logger.debug({ status: status.type }, 'pull status');
    }
  }

  // What waits here must not be handed out again meanwhile, however long an outage of the database lasts.
  const keepAlive = setInterval(() => {
    for (const batch of underWay) for (const message of batch) message.working();
    for (const message of buffer) message.working();
  }, ackWaitMs / 3);

  function close(): void {
    closed = true;
    stopWaiting();
    roomWanted?.();
  }

  const pumping = pump();
  void watch(messages);

  return {
    load: () => ({ batchesUnderWay: underWay.size, messagesBuffered: buffer.length }),
    drop() {
      givingBack = false;
      close();
      messages.stop();
      forget();
      clearInterval(keepAlive);
    },
    async stop() {
      givingBack = true;
      close();
      // Before anything is given back, so that it does not come here again.
      const stopped = stopPulling(messages).then(() => pumping);
      for (const message of buffer) message.nak();
      forget();
      await stopped;
      if (underWay.size > 0) await new Promise<void>((resolve) => (idleWanted = resolve));
      clearInterval(keepAlive);
    },
  };
}

const drainMs = 1_000;

/**
 * Takes what the broker has sent already. stop() and close() forget it, and the broker would hand it out again only after
 * ack_wait: up to a pull's worth of messages, held up by every worker that is stopped.
 */
async function stopPulling(messages: ConsumerMessages): Promise<void> {
  const { sub } = messages as ConsumerMessages & { readonly sub?: Subscription };
  const late = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
  await Promise.race([sub?.drain().catch(() => undefined), late]);
  messages.stop();
}
