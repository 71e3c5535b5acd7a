import type { Pool } from 'pg';
import { ModelBroker } from './model-broker.js';
import { type Call, opening } from './model-calls.js';
import { type Handed, plannedCalls } from './model-choices.js';
import { linesOf, readLines } from './model-lines.js';
import { explain, type Planned, type Result, type Schedule } from './model-schedule.js';
import type { Publication, Step, Story } from './model-steps.js';
import { ModelStore } from './model-store.js';

/** Ten minutes before a midnight, so that a story may reach two days and many minutes. */
export const beginUs = BigInt(Date.UTC(2026, 0, 1, 23, 50)) * 1000n;
const maxCallsAtOnce = 5;

/** Plays a story against Postgres and against the model, and holds one against the other after each step. */
export class Player {
  private readonly broker: ModelBroker;
  private store = new ModelStore();
  private readonly handedOut: Handed[] = [];
  private readonly told: string[] = [];
  private lines: string[] = [];
  /** What was done, by kind of call and ending, to see that nothing is left out. */
  readonly done = new Map<string, number>();

  constructor(
    private readonly observer: Pool,
    private readonly schedule: Schedule,
  ) {
    this.broker = new ModelBroker(1, beginUs);
  }

  async play({ firstSequence, steps }: Story): Promise<ModelStore> {
    this.broker.kept = { ...this.broker.kept, lastSequence: firstSequence - 1 };
    await this.hold([
      { call: opening(0, 'stream-1', firstSequence - 1, firstSequence), ending: 'by itself', acked: false },
    ]);
    for (const step of steps) await this.take(step);
    return this.store;
  }

  private async take({ publications, calls, allAtOnce, lastFirst }: Step): Promise<void> {
    for (const publication of publications) await this.publish(publication);
    this.broker.remember();
    const { epoch } = this.store.epoch;
    const open = calls.find((plan) => plan.what === 'open');
    const stream = open && (open.stream === 'new' ? this.broker.anew() : this.broker.older(open.at));
    const { broker, store, handedOut } = this;
    const planned = calls.flatMap((plan) => {
      const { ending } = plan;
      const acked = 'acked' in plan && plan.acked;
      return plannedCalls(plan, { broker, store, handedOut, stream }).map((call) => ({ call, ending, acked }));
    });
    // Every order of them may have to be tried.
    const plans = planned.slice(0, maxCallsAtOnce);
    if (plans.length > 0) await this.hold(plans, { allAtOnce, lastFirst });
    if (stream === undefined) return;
    // Nobody handles a message of the stream as it is now before the epoch is open.
    broker.kept = stream;
    if (this.store.epoch.epoch !== epoch) return;
    const call = opening(epoch, stream.created, stream.lastSequence);
    await this.hold([{ call, ending: 'by itself', acked: false }]);
  }

  private async publish(publication: Publication): Promise<void> {
    const { gapUs } = publication;
    if (publication.what !== 'redrive') {
      this.broker.publish(gapUs, { content: publication.content, poison: publication.what === 'poison' });
      return;
    }
    const letters = [...this.store.rows].filter(([, { kind }]) => kind === 'dead');
    const letter = letters[publication.letter % letters.length];
    if (letter === undefined) return;
    const [position, { message }] = letter;
    for (let i = 0; i < publication.times; i++) {
      const text = 'insert into redrives (dead_letter) values ($1) returning sending::int';
      const { rows } = await this.observer.query<{ sending: number }>(text, [position]);
      const sending = rows[0]?.sending ?? 0;
      this.store.redrives.set(sending, position);
      const poison = !publication.mended || message.content.kind === 'undecodable';
      const { content } = message;
      this.broker.publish(gapUs, { content, poison, redrive: { letter: position, sending } });
    }
  }

  private async hold(
    plans: readonly (Planned & { readonly acked: boolean })[],
    options?: { allAtOnce: boolean; lastFirst: boolean },
  ): Promise<void> {
    const deadlocks = this.schedule.deadlocks;
    const before = this.lines;
    const results = await this.schedule.run(plans, options).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.told.join('\n')}\nnow: ${describe(plans)}`, { cause: error });
    });
    this.lines = await readLines(this.observer);
    const after = explain(this.store, results, this.lines);
    if (after === undefined) throw new Error(this.unexplained(results, before));
    if (this.schedule.deadlocks > deadlocks && !overlap(plans.map(({ call }) => call))) {
      throw new Error(
        `calls without a message in common locked each other out\n${this.told.join('\n')}\n${describe(plans)}`,
      );
    }
    this.store = after;
    this.told.push(`${options?.allAtOnce ? 'at once: ' : ''}${describe(results)}`);
    results.forEach(({ fate, call, ending }, i) => {
      for (const key of [call.label.split(' ')[0] ?? '', ending, fate])
        this.done.set(key, (this.done.get(key) ?? 0) + 1);
      if (fate === 'committed' && plans[i]?.acked) for (const { message } of call.given) this.broker.ack(message);
    });
  }

  private unexplained(results: readonly Result[], before: readonly string[]): string {
    const store = this.store.clone();
    const expected: string[] = [];
    for (const { call, fate } of results) {
      if (fate === 'undone') continue;
      const tried = store.clone();
      try {
        expected.push(`${call.label} => ${call.expected(tried)}`);
        Object.assign(store, tried);
      } catch (error) {
        expected.push(`${call.label} => ${String(error)}`);
      }
    }
    const wanted = linesOf(store);
    return [
      'no order of these calls explains what was answered and what is stored',
      ...this.told,
      `now: ${describe(results)}`,
      `in this order the model says:\n  ${expected.join('\n  ')}`,
      `stored, and not by the model:\n  ${this.lines.filter((line) => !wanted.includes(line)).join('\n  ')}`,
      `by the model, and not stored:\n  ${wanted.filter((line) => !this.lines.includes(line)).join('\n  ')}`,
      `before:\n  ${before.join('\n  ')}`,
    ].join('\n');
  }
}

function describe(plans: readonly (Planned & Partial<Result>)[]): string {
  return plans
    .map(({ call, ending, fate, answer }) => `${call.label} (${ending}${fate ? `, ${fate}: ${answer}` : ''})`)
    .join('; ');
}

/** Whether two of them hold the same message: then one may have to be tried again. */
function overlap(calls: readonly Call[]): boolean {
  const positions = calls.flatMap(({ given }) => given.map(({ position }) => position));
  return new Set(positions).size < positions.length;
}
