import type { CallContext } from '@eventsieve/runtime/grpc-server';
import { callerGone, outOfTime } from './refusals.js';

/** Who waits for an answer, and for how long. */
export interface Caller {
  /** When the answer has to leave to be there before the deadline. */
  readonly untilMs: number;
  readonly cancelled: () => boolean;
  /** Which trace the call belongs to; it travels on with each message. */
  readonly traceparent?: string | undefined;
  /** Whether more of the same caller may be on its way behind this. */
  readonly streams?: boolean;
}

const travelMs = 50;
const lookEveryMs = 100;

export function callerOf({ deadlineMs, cancelled, traceparent }: CallContext): Caller {
  const leftMs = Math.max(0, deadlineMs - Date.now());
  return { untilMs: deadlineMs - Math.min(travelMs, leftMs / 5), cancelled, traceparent };
}

/** What `work` gives, or a refusal once the caller waits no more; then the work ends by itself, and nobody hears of it. */
export function whileCallerWaits<T>(work: Promise<T>, { untilMs, cancelled }: Caller): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const look = () => {
      const leftMs = untilMs - Date.now();
      if (cancelled()) reject(callerGone());
      else if (leftMs <= 0) reject(outOfTime());
      // A cancellation is looked for, since a call has no event for it here.
      else timer = setTimeout(look, Math.min(lookEveryMs, leftMs));
    };
    work.then(resolve, reject).finally(() => clearTimeout(timer));
    timer = setTimeout(look, Math.max(0, Math.min(lookEveryMs, untilMs - Date.now())));
  });
}
