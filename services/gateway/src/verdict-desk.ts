import { randomBytes } from 'node:crypto';
import { type Verdict, Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Logger } from '@eventsieve/runtime/logger';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';

/** Where the copies of one request wait for their verdicts. */
export interface Waiting {
  readonly firstTicket: bigint;
  /** By the copy's place; undefined while it is not known. */
  readonly verdicts: readonly (Verdict | undefined)[];
  /** Resolves when all are known, or when the time is up. */
  wait(untilMs: number): Promise<void>;
  /** Whatever comes later is nobody's. */
  leave(): void;
}

export interface VerdictDesk {
  readonly replyTo: string;
  open(count: number): Waiting;
  /** Copies whose verdict is waited for. */
  waiting(): number;
  attach(connection: NatsConnection): void;
  /** Nobody waits on: what is not known by now is answered as that. */
  letGo(): void;
  stop(): void;
}

/** Takes the workers' answers to STORED copies: one subject per gateway process, a ticket per copy. */
export function createVerdictDesk(subjectPrefix: string, logger: Logger): VerdictDesk {
  const replyTo = `${subjectPrefix}.${randomBytes(12).toString('hex')}`;
  const waiting = new Map<number, (ticket: number, verdict: Verdict) => void>();
  const patient = new Set<() => void>();
  let subscription: Subscription | undefined;
  let nextTicket = 1;

  function onMessage(_error: unknown, message: Msg): void {
    try {
      for (const verdict of Verdicts.decode(message.data).verdicts) {
        const ticket = Number(verdict.ticket);
        waiting.get(ticket)?.(ticket, verdict);
      }
    } catch (error) {
      logger.warn({ err: error }, 'a verdict that cannot be read');
    }
  }

  return {
    replyTo,

    open(count) {
      const first = nextTicket;
      nextTicket += count;
      const verdicts: (Verdict | undefined)[] = new Array(count).fill(undefined);
      let missing = count;
      let allKnown: (() => void) | undefined;
      let timer: NodeJS.Timeout | undefined;
      const take = (ticket: number, verdict: Verdict) => {
        waiting.delete(ticket);
        verdicts[ticket - first] = verdict;
        if (--missing === 0) allKnown?.();
      };
      for (let ticket = first; ticket < nextTicket; ticket++) waiting.set(ticket, take);
      return {
        firstTicket: BigInt(first),
        verdicts,
        wait: (untilMs) =>
          new Promise((resolve) => {
            if (missing === 0) return resolve();
            const end = () => {
              clearTimeout(timer);
              patient.delete(end);
              resolve();
            };
            allKnown = end;
            patient.add(end);
            timer = setTimeout(end, Math.max(0, untilMs - Date.now()));
          }),
        leave() {
          allKnown?.();
          for (let ticket = first; ticket < first + count; ticket++) waiting.delete(ticket);
        },
      };
    },

    waiting: () => waiting.size,

    attach(nc) {
      if (subscription === undefined || subscription.isClosed()) {
        subscription = nc.subscribe(replyTo, { callback: onMessage });
      }
    },

    letGo() {
      for (const end of [...patient]) end();
    },

    stop: () => subscription?.unsubscribe(),
  };
}
