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

// A batch that is not full waits this long for company while another one is under way.
const lingerMs = 15;

/** Pulls messages and hands them on in batches: at once when idle, in large batches under load. */
export async function startConsuming(options: ConsumeOptions): Promise<Consuming> {
  const { consumer, logger, batchSize, maxBatchBytes, batchesInFlight, ackWaitMs } = options;
  const messages = await consumer.consume({ max_messages: batchSize * 2, expires: 10_000, idle_heartbeat: 2_000 });
  let buffer: JsMsg[] = [];
  let closed = false;
  let givingBack = false;
  let linger: NodeJS.Timeout | undefined;
  let roomWanted: (() => void) | undefined;
  let idleWanted: (() => void) | undefined;
  const freeSlots = Array.from({ length: batchesInFlight }, (_, slot) => slot);
  const underWay = new Set<readonly JsMsg[]>();

  function takeBatch(): JsMsg[] {
    let bytes = 0;
    let count = 0;
    const limit = Math.min(batchSize, buffer.length);
    while (count < limit) {
      bytes += (buffer[count] as JsMsg).data.length;
      if (count > 0 && bytes > maxBatchBytes) break;
      count++;
    }
    const batch = buffer.slice(0, count);
    buffer = buffer.slice(count);
    return batch;
  }

  function dispatch(): void {
    clearTimeout(linger);
    linger = undefined;
    while (buffer.length > 0 && freeSlots.length > 0) begin(freeSlots.pop() as number, takeBatch());
    roomWanted?.();
  }

  function begin(slot: number, batch: readonly JsMsg[]): void {
    underWay.add(batch);
    void options.settle(batch, slot).then(() => {
      underWay.delete(batch);
      freeSlots.push(slot);
      if (underWay.size === 0) idleWanted?.();
      if (buffer.length > 0) dispatch();
      roomWanted?.();
    });
  }

  // Several messages arrive in one read of the socket: they are dispatched together, after it.
  let scheduled = false;
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      if (underWay.size === 0 || buffer.length >= batchSize) dispatch();
      else linger ??= setTimeout(dispatch, lingerMs);
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
        buffer.push(message);
        schedule();
        if (buffer.length >= batchSize * 2) await new Promise<void>((resolve) => (roomWanted = resolve));
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
    clearTimeout(linger);
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
      buffer = [];
      clearInterval(keepAlive);
    },
    async stop() {
      givingBack = true;
      close();
      // Before anything is given back, so that it does not come here again.
      const stopped = stopPulling(messages).then(() => pumping);
      for (const message of buffer) message.nak();
      buffer = [];
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
