import { setTimeout as delay } from 'node:timers/promises';
import { type Copy, DeliveryError, type Target, type Verdicts } from '../targets/target.js';

export interface DeliveryWatch {
  /** An attempt failed and the copies will be sent again, unless it was the last. */
  readonly failed: (error: DeliveryError, copies: number, again: boolean) => void;
  readonly answered: (ms: number) => void;
}

const attempts = 8;
const firstPauseMs = 100;
const longestPauseMs = 5_000;

/** Sends one request until it is answered, always with the same ids, for about ten seconds. */
export async function deliver(target: Target, copies: readonly Copy[], watch: DeliveryWatch): Promise<Verdicts> {
  const sentAt = new Date();
  for (let attempt = 1; ; attempt++) {
    const started = performance.now();
    try {
      const verdicts = await target.send(copies, sentAt);
      watch.answered(performance.now() - started);
      return verdicts;
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      const again = error.retryable && attempt < attempts;
      watch.failed(error, copies.length, again);
      if (!again) throw error;
      const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1));
      await delay(Math.max(error.retryAfterMs ?? 0, pause) * (0.75 + Math.random() / 2));
    }
  }
}
