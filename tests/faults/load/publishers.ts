import type { Random } from '../random.js';
import type { Door } from './doors.js';
import { type Copy, createLedger, type Ledger } from './ledger.js';

export interface LoadPlan {
  readonly publishers: number;
  /** Of all copies, those that repeat an earlier one. */
  readonly repeats: number;
  /** Of all copies, those that have an earlier one's id with another payload. */
  readonly conflicts: number;
  readonly maxBatch: number;
  /** Of all calls, those that wait for STORED. */
  readonly stored: number;
  /** Between two calls of one publisher, at most. */
  readonly pauseMs: number;
}

export interface Load {
  readonly ledger: Ledger;
  readonly retries: () => number;
  readonly errors: ReadonlyMap<string, number>;
  readonly wrong: readonly string[];
  /** Publishes nothing until it is let go on; resolves once every call has its answer. */
  hold(): Promise<void>;
  goOn(): void;
  /** Publishes nothing new; resolves once every call has its answer. */
  finish(): Promise<void>;
  /** Gives up what has no answer yet. */
  abandon(): void;
  unanswered(): number;
}

const topics = ['auth', 'payment', 'orders.eu', 'größe *>'];
const retryPauseMs = 150;
const lookEveryMs = 20;

/** Publishers that repeat themselves, each with doors, a plan and a line of random numbers of its own. */
export function startLoad(plan: LoadPlan, random: Random, openDoors: () => Door[]): Load {
  const ledger = createLedger();
  const errors = new Map<string, number>();
  const wrong: string[] = [];
  const sent: Copy[] = [];
  let next = 0;
  let retries = 0;
  let unanswered = 0;
  let finishing = false;
  let held: Promise<void> | undefined;
  let goOn = () => {};
  let abandoned = false;

  function planCopy(line: Random): Copy {
    const roll = line.next();
    if (sent.length > 0 && roll < plan.repeats + plan.conflicts) {
      // Mostly a recent one, as retries are; now and then one from long ago.
      const reach = line.chance(0.8) ? Math.min(sent.length, 200) : sent.length;
      const earlier = sent[sent.length - 1 - Math.floor(line.next() * reach)] as Copy;
      return roll < plan.repeats ? earlier : { ...earlier, variant: line.whole(1, 2) };
    }
    const id = next++;
    const copy = { topic: topics[id % topics.length] as string, eventId: `e${id}`, variant: 0 };
    sent.push(copy);
    return copy;
  }

  async function deliver(door: Door, copies: readonly Copy[], stored: boolean, line: Random): Promise<void> {
    unanswered++;
    try {
      while (!abandoned) {
        ledger.attempt(copies);
        const reply = await door.send(copies, stored);
        if (reply.kind === 'answers') {
          reply.answers.forEach(({ outcome, position }, i) => {
            ledger.answer(copies[i] as Copy, outcome, position);
          });
          return;
        }
        if (reply.kind === 'wrong') return void wrong.push(`${door.name}: ${reply.why}`);
        retries++;
        const name = `${door.name} ${reply.why}`.slice(0, 60);
        errors.set(name, (errors.get(name) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, retryPauseMs * (0.5 + line.next())));
      }
    } finally {
      unanswered--;
    }
  }

  async function publisher(index: number): Promise<void> {
    const line = random.fork(`publisher ${index}`);
    const doors = openDoors();
    try {
      while (!finishing) {
        await held;
        const size = line.chance(0.3) ? 1 : line.whole(1, plan.maxBatch);
        const copies = Array.from({ length: size }, () => planCopy(line));
        await deliver(line.pick(doors), copies, line.chance(plan.stored), line);
        if (plan.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, line.next() * plan.pauseMs));
      }
    } finally {
      for (const door of doors) door.close();
    }
  }

  const running = Promise.all(Array.from({ length: plan.publishers }, (_, i) => publisher(i)));
  return {
    ledger,
    retries: () => retries,
    errors,
    wrong,
    unanswered: () => unanswered,
    async hold() {
      held ??= new Promise((resolve) => {
        goOn = resolve;
      });
      // A publisher that was about to begin has begun by the next turn.
      do await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      while (unanswered > 0 && !abandoned);
    },
    goOn() {
      held = undefined;
      goOn();
    },
    async finish() {
      finishing = true;
      this.goOn();
      await running;
    },
    abandon() {
      finishing = true;
      abandoned = true;
    },
  };
}
