import { setMaxListeners } from 'node:events';
import { type ReadyEvent, requestTail } from '@eventsieve/contract/request-writing';
import type { Peer } from '../call.js';
import { readEvent } from '../encode-event.js';
import { aborted, closed, type EventsieveError, refuse, unforeseen, withoutIndex } from '../error.js';
import type { NewEvent } from '../event.js';
import { onAbort } from '../on-abort.js';
import { type PublishResult, waitForOf } from '../publish.js';
import { addToBatch, type Batch, guessBytes, heldBytes, openBatch, type Sender, sealBatch } from './batch.js';
import { type Delivery, deliver } from './deliver.js';
import { createEras, type Era } from './eras.js';
import { createFifo } from './fifo.js';
import { type ProducerOptions, readProducerOptions } from './options.js';

export interface Producer extends AsyncDisposable {
  /**
   * Resolves with the event's own verdict, once it was taken; rejects with an EventsieveError when it was not, or when that
   * cannot be known in time. While more than maxBufferedBytes are held the event waits in line, as the object that it is:
   * who sends without awaiting each verdict awaits ready() before each event, and memory stays bounded.
   */
  send(event: NewEvent): Promise<PublishResult>;
  /** Resolves when there is room for an event. */
  ready(): Promise<void>;
  /** Sends what lingers, and resolves when all that was sent before has its verdict or its error. */
  flush(): Promise<void>;
  /**
   * Takes no more events, and resolves when all have their verdict or their error. When the signal fires, what is left
   * rejects at once; some of it may have been taken.
   */
  close(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** About what is held: events that have no verdict yet, without those in line. */
  readonly bufferedBytes: number;
}

/** An event for which there was no room yet. */
interface InLine extends Sender {
  readonly event: NewEvent;
  readonly sentAtMs: number;
  readonly era: Era;
  readonly traceparent: string | undefined;
}

/** So late an event of a batch may come that its time is cut short by no more than this part of it. */
const batchAgeShare = 0.05;

// A small part of what a gateway takes, and what any takes: MAX_REQUEST_BYTES is 16 MiB, and 64 KiB at least.
const mostBatchBytes = 1024 ** 2;
const leastBatchBytes = 32 * 1024;

export function createProducer(
  gateway: Peer,
  given: ProducerOptions = {},
  onClosed: () => void = () => undefined,
): Producer {
  const { lingerMs, maxBatch, maxInFlight, maxBufferedBytes, wait, timeoutMs, retry } = readProducerOptions(given);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const eras = createEras();
  const sealed = createFifo<Batch>();
  const line = createFifo<InLine>();
  const tail = requestTail(waitForOf(wait), true);
  const delivery: Delivery = { gateway, tail, retry, signal: stop.signal, tooMuch };
  let mostEvents = maxBatch;
  let mostBytes = mostBatchBytes;
  let open: Batch | undefined;
  /** It has lingered, and goes with the next call. */
  let openIsDue = false;
  let lastBytes = 1024;
  let inFlight = 0;
  let buffered = 0;
  let sealedSinceReady = false;
  let waitingForRoom: (() => void)[] = [];
  let lingering: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;

  // Whoever is in line is taken as soon as there is.
  const hasRoom = () => buffered < maxBufferedBytes;

  function send(event: NewEvent): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      if (closing !== undefined) throw closed('the producer is closed and takes no more events');
      const nowMs = Date.now();
      const era = eras.present();
      era.unsettled++;
      if (hasRoom()) return take(event, nowMs, era, { resolve, reject });
      line.push({ event, sentAtMs: nowMs, era, traceparent: gateway.traceparent(), resolve, reject });
      // It waits for what is held to leave.
      if (open !== undefined) seal(open);
    });
  }

  function take(event: NewEvent, sentAtMs: number, era: Era, sender: Sender, trace = gateway.traceparent): void {
    try {
      const ready = readEvent(event, sentAtMs);
      if (!('topic' in ready)) throw withoutIndex(refuse(ready));
      add(ready, sentAtMs, era, sender, trace);
    } catch (error) {
      // Getters and toJSON are the caller's, and may do anything.
      sender.reject(unforeseen(error));
      eras.settled(era, 1);
    }
  }

  function add(ready: ReadyEvent, sentAtMs: number, era: Era, sender: Sender, trace: () => string | undefined): void {
    if (open !== undefined && !fits(open, guessBytes(ready), sentAtMs, era)) seal(open);
    if (open === undefined) {
      const untilMs = sentAtMs + timeoutMs;
      open = openBatch({ era, openedAtMs: sentAtMs, untilMs, traceparent: trace() }, lastBytes);
      lingering = setTimeout(lingered, lingerMs);
    }
    const batch = open;
    const before = batch.wire.at;
    addToBatch(batch, ready, sender);
    buffered += heldBytes(1, batch.wire.at - before);
    if (batch.entries.length >= mostEvents || batch.wire.at >= mostBytes) seal(batch);
  }

  function fits(batch: Batch, bytes: number, nowMs: number, era: Era): boolean {
    if (batch.era !== era || nowMs - batch.openedAtMs > timeoutMs * batchAgeShare) return false;
    return batch.wire.at + bytes <= mostBytes;
  }

  function seal(batch: Batch): void {
    clearTimeout(lingering);
    open = undefined;
    openIsDue = false;
    lastBytes = Math.ceil(batch.wire.at * 1.1) + tail.length;
    sealBatch(batch, tail);
    sealed.push(batch);
    sealedSinceReady = true;
    pump();
  }

  function lingered(): void {
    openIsDue = true;
    // While all calls are under way it may as well grow.
    if (open !== undefined && inFlight < maxInFlight) seal(open);
  }

  function pump(): void {
    while (inFlight < maxInFlight) {
      if (sealed.size === 0 && open !== undefined && openIsDue) {
        seal(open);
        return;
      }
      const batch = sealed.shift();
      if (batch === undefined) return;
      inFlight++;
      void deliver(delivery, batch).then(() => settled(batch));
    }
  }

  function settled(batch: Batch): void {
    inFlight--;
    release(batch);
    pump();
  }

  function release({ wire, entries, era }: Batch): void {
    buffered -= heldBytes(entries.length, wire.at - tail.length);
    eras.settled(era, entries.length);
    takeFromLine();
  }

  function takeFromLine(): void {
    while (line.size > 0 && buffered < maxBufferedBytes) {
      const next = line.shift() as InLine;
      take(next.event, next.sentAtMs, next.era, next, () => next.traceparent);
    }
    // Who is in line waits for this to leave.
    if (open !== undefined && (line.size > 0 || open.era.flushed)) seal(open);
    if (!hasRoom()) return;
    const waiting = waitingForRoom;
    waitingForRoom = [];
    for (const goOn of waiting) goOn();
  }

  /** A gateway that is set to take less need not refuse each batch once more. */
  function tooMuch({ code, fields }: EventsieveError, events: number, bytes: number): void {
    if (fields[0]?.field === 'events') mostEvents = Math.min(mostEvents, events >>> 1);
    if (code === 'PAYLOAD_TOO_LARGE') mostBytes = Math.min(mostBytes, Math.max(leastBatchBytes, bytes >>> 1));
  }

  function flush(): Promise<void> {
    const done = eras.end();
    if (open !== undefined) seal(open);
    return done;
  }

  function abort(error: EventsieveError): void {
    stop.abort(error);
    while (line.size > 0) {
      const { era, reject } = line.shift() as InLine;
      reject(error);
      eras.settled(era, 1);
    }
    if (open !== undefined) seal(open);
    for (let batch = sealed.shift(); batch !== undefined; batch = sealed.shift()) {
      for (const { reject } of batch.entries) reject(error);
      release(batch);
    }
  }

  return {
    send,
    ready() {
      if (!hasRoom()) return new Promise((resolve) => waitingForRoom.push(resolve));
      if (!sealedSinceReady) return Promise.resolve();
      // A loop that only ever awaits promises would let nothing leave until there is no room any more.
      sealedSinceReady = false;
      return new Promise((resolve) => setImmediate(resolve));
    },
    flush,
    close({ signal } = {}) {
      closing ??= flush().then(onClosed);
      const end = () => abort(aborted(signal?.reason));
      if (signal?.aborted) end();
      return closing.finally(onAbort(signal, end));
    },
    get bufferedBytes() {
      return buffered;
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}
