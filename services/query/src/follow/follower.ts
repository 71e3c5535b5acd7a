import { EventsieveError } from '@eventsieve/contract/errors';
import { encodeCursor } from '../cursor.js';
import { type Channel, type Chunk, signOfLife } from './channel.js';
import { createWaker } from './waker.js';

/** The way to one follower. */
export interface Outlet {
  /** Undefined: it is off our hands. Else resolves once it is, or when nobody is there any more. */
  send(chunk: Chunk): Promise<void> | undefined;
  /** The last position that the follower gets, if it takes what it was sent: of a chunk, a part may be left. */
  sentUpTo(chunk: Chunk): bigint;
  /** Why nothing more need be sent. */
  over(): EventsieveError | undefined;
}

export interface FollowerDeps {
  readonly channel: Channel;
  readonly outlet: Outlet;
  readonly after: bigint;
  /** What comes next, from Postgres; undefined when it cannot be read at the moment. */
  readonly catchUp: (channel: Channel, after: bigint, wanted: () => boolean) => Promise<Chunk | undefined>;
  readonly heartbeatMs: number;
  readonly patienceMs: number;
  readonly onSent: (events: number) => void;
}

export interface Follower {
  /** Something may have changed: there is more to send, time has passed, or nobody is there any more. */
  wake(): void;
  /** What is on its way to it, or has been sent, ends here. */
  readonly place: bigint;
  /** Ends it with this error, even in the middle of sending. */
  end(why: EventsieveError): void;
  /** Sends until it is over, and then rejects with the reason. */
  run(): Promise<never>;
}

/** One follower's place, which is all that is kept of it, and the loop that moves it on. */
export function createFollower(deps: FollowerDeps): Follower {
  const { channel, outlet, after, catchUp, heartbeatMs, patienceMs, onSent } = deps;
  const waker = createWaker();
  let at = after;
  let place = after;
  let gone = false;
  let sentAtMs = performance.now();
  let ended: EventsieveError | undefined;
  let breakOff: ((why: EventsieveError) => void) | undefined;

  function stopIfOver(): void {
    const why = ended ?? outlet.over();
    if (why !== undefined) throw why;
  }

  async function send(chunk: Chunk): Promise<void> {
    const sending = outlet.send(chunk);
    if (sending !== undefined) await patiently(sending, chunk);
    sentAtMs = performance.now();
    onSent(chunk.events);
  }

  function patiently(sending: Promise<void>, chunk: Chunk): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(tooSlow(outlet.sentUpTo(chunk), patienceMs)), patienceMs);
      const settle = (done: () => void) => {
        clearTimeout(timer);
        breakOff = undefined;
        done();
      };
      breakOff = (why) => settle(() => reject(why));
      sending.then(() => settle(resolve));
    });
  }

  async function showLife(): Promise<void> {
    if (performance.now() - sentAtMs >= heartbeatMs) await send(signOfLife(at, channel.encoding));
  }

  /** Meanwhile it goes on to show that it lives. */
  async function fromPostgres(): Promise<Chunk | undefined> {
    let read: { readonly chunk: Chunk | undefined } | { readonly error: unknown } | undefined;
    catchUp(channel, at, () => !gone).then(
      (chunk) => {
        read = { chunk };
        waker.wake();
      },
      (error: unknown) => {
        read = { error };
        waker.wake();
      },
    );
    for (;;) {
      await waker.next();
      stopIfOver();
      if (read !== undefined) break;
      await showLife();
    }
    if ('error' in read) throw read.error;
    return read.chunk;
  }

  async function follow(): Promise<never> {
    await send(signOfLife(at, channel.encoding));
    for (;;) {
      stopIfOver();
      const chunk = channel.covers(at) ? channel.after(at) : await fromPostgres();
      place = chunk?.to ?? at;
      if (chunk !== undefined && chunk.messages.length > 0) await send(chunk);
      const moved = chunk !== undefined && chunk.to > at;
      if (moved) at = chunk.to;
      await showLife();
      if (!moved) await waker.next();
    }
  }

  return {
    wake: waker.wake,
    get place() {
      return place;
    },
    end(why) {
      ended ??= why;
      breakOff?.(why);
      waker.wake();
    },
    async run() {
      try {
        return await follow();
      } finally {
        gone = true;
      }
    },
  };
}

function tooSlow(position: bigint, patienceMs: number): EventsieveError {
  const cursor = encodeCursor(position);
  const message = `nothing was taken for ${patienceMs} ms; go on with the cursor ${cursor}`;
  return new EventsieveError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_SLOW', retryAfterMs: 0, cursor });
}
