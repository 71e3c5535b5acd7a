import { setTimeout as delay } from 'node:timers/promises';
import type { CountedRepeats, Held, Target } from '../targets/target.js';
import { fateOf, giveUpTime } from './late-verdicts.js';
import type { SimulateOptions } from './options.js';
import { type Plan, planRun } from './plan.js';
import type { Sent } from './sent-copies.js';

export interface Verification {
  /** One sentence for each thing that the server does not have as it was sent. */
  readonly differences: readonly string[];
  /** Events of the run that are stored. */
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
}

/** What was there before the run: of a seed it may be all of it. */
export interface Baseline {
  readonly storedByTopic: ReadonlyMap<string, number>;
  readonly repeats: CountedRepeats;
}

const mostNamed = 20;
const pauseMs = 200;
/** Without any of the counts going up: longer than a worker takes to start again, or to store what it has. */
const patienceMs = { behind: 20_000, settled: 5_000 };

export async function readBaseline({ seeded }: SimulateOptions, target: Target): Promise<Baseline> {
  const storedByTopic = new Map<string, number>();
  if (!seeded) return { storedByTopic, repeats: { byTopic: new Map(), behind: 0 } };
  for await (const page of target.held()) for (const { topic } of page) add(storedByTopic, topic);
  return { storedByTopic, repeats: await target.countedRepeats() };
}

/** Holds what a run sent against what the server says it has. */
export async function verifyRun(
  options: SimulateOptions,
  target: Target,
  sent: Sent,
  baseline: Baseline,
): Promise<Verification> {
  const holding = await readHolding(options, target, sent);
  const expected = expectedRepeats(sent, holding.storedByTopic, baseline);
  const { repeats, differences } = await settledRepeats(target, expected, baseline);
  return { ...repeats, stored: holding.stored, differences: [...holding.faults.sentences(), ...differences] };
}

interface Holding {
  readonly stored: number;
  readonly storedByTopic: ReadonlyMap<string, number>;
  readonly faults: Faults;
}

/** Each unique event once, where it belongs and with its content. */
async function readHolding(options: SimulateOptions, target: Target, sent: Sent): Promise<Holding> {
  const plan = planRun(options);
  const events = options.count - options.repeats;
  function* missingOf(seen: Uint8Array): Generator<number> {
    for (let event = 0; event < events; event++) {
      if (seen[event] === 0 && sent.fateOf(event) === 'taken') yield event;
    }
  }
  const giveUpAt = giveUpTime();
  let look = await lookAtAll(options, target, plan, sent);
  let waited = false;
  for (const event of missingOf(look.seen)) {
    // What was taken a moment ago may be stored only now.
    waited = true;
    if ((await fateOf(event, plan, target, giveUpAt)) === 'pending') break;
  }
  if (waited) look = await lookAtAll(options, target, plan, sent);
  for (const event of missingOf(look.seen)) {
    const { topic, eventId } = plan.copyOf(event);
    const fate = look.faults.isFull() ? '' : await fateOf(event, plan, target, giveUpAt);
    const words = fate === 'stored' ? 'not among what is stored of this source' : fate.replace('_', ' ');
    look.faults.add(`${topic}/${eventId} was taken, and is ${words}.`);
  }
  return look;
}

async function lookAtAll(
  { run, count, repeats }: SimulateOptions,
  target: Target,
  plan: Plan,
  sent: Sent,
): Promise<Holding & { readonly seen: Uint8Array }> {
  const events = count - repeats;
  const seen = new Uint8Array(events);
  const storedByTopic = new Map<string, number>();
  const faults = collectFaults();
  let stored = 0;

  function check({ topic, eventId, payload }: Held): void {
    stored++;
    add(storedByTopic, topic);
    const event = eventOf(eventId, run);
    if (event === undefined || event >= events || sent.fateOf(event) === 'never') {
      faults.add(`${topic}/${eventId} is stored, and was never sent.`);
      return;
    }
    const copy = plan.copyOf(event);
    if (topic !== copy.topic) faults.add(`${eventId} is stored under ${topic}, and was sent to ${copy.topic}.`);
    else if (seen[event] === 1) faults.add(`${topic}/${eventId} is stored twice.`);
    else if (!isSame(payload, copy.payloadJson)) faults.add(`${topic}/${eventId} has another payload than was sent.`);
    seen[event] = 1;
  }

  for await (const page of target.held()) for (const each of page) check(each);
  return { stored, storedByTopic, faults, seen };
}

interface Faults {
  add(sentence: string): void;
  /** Further ones are only counted. */
  isFull(): boolean;
  sentences(): readonly string[];
}

function collectFaults(): Faults {
  const sentences: string[] = [];
  let more = 0;
  return {
    add(sentence) {
      if (sentences.length < mostNamed) sentences.push(sentence);
      else more++;
    },
    isFull: () => sentences.length >= mostNamed,
    sentences: () => (more > 0 ? [...sentences, `There are ${more} more differences of this kind.`] : sentences),
  };
}

function eventOf(eventId: string, run: string): number | undefined {
  const [, digits] = /-(\d+)$/.exec(eventId) ?? [];
  return digits !== undefined && eventId === `${run}-${digits}` ? Number(digits) : undefined;
}

/** Postgres has its own order of keys. */
function isSame(payload: Held['payload'], payloadJson: string): boolean {
  const wanted = JSON.parse(payloadJson) as Record<string, unknown>;
  const keys = Object.keys(wanted);
  return keys.length === Object.keys(payload).length && keys.every((key) => payload[key] === wanted[key]);
}

interface Expected {
  readonly topic: string;
  readonly duplicates: number;
  readonly conflicts: number;
  /** So many more there may be. */
  readonly doubtful: number;
}

/** Each copy that was taken is the stored one or a repeat. */
function expectedRepeats(sent: Sent, storedByTopic: ReadonlyMap<string, number>, baseline: Baseline): Expected[] {
  return [...sent.byTopic].map(([topic, { copies, conflicts, doubtful }]) => {
    const storedNow = (storedByTopic.get(topic) ?? 0) - (baseline.storedByTopic.get(topic) ?? 0);
    // What is stored may be of a try whose answer was lost: then each copy that was taken is a repeat.
    return { topic, duplicates: Math.max(0, copies - storedNow), conflicts, doubtful };
  });
}

/** Looks until the counts are as they must be, or go up no more. */
async function settledRepeats(target: Target, expected: readonly Expected[], baseline: Baseline) {
  let changedAt = Date.now();
  let last = '';
  for (;;) {
    const counted = await target.countedRepeats();
    const sums = { duplicates: 0, conflicts: 0 };
    const differences = expected.flatMap((each) => {
      const before = baseline.repeats.byTopic.get(each.topic);
      const now = counted.byTopic.get(each.topic);
      const duplicates = (now?.duplicates ?? 0) - (before?.duplicates ?? 0);
      const conflicts = (now?.conflicts ?? 0) - (before?.conflicts ?? 0);
      sums.duplicates += duplicates;
      sums.conflicts += conflicts;
      return [...difference(each, 'duplicates', duplicates), ...difference(each, 'conflicts', conflicts)];
    });
    if (differences.length === 0) return { repeats: sums, differences };
    const look = JSON.stringify([...counted.byTopic, counted.behind]);
    if (look !== last) changedAt = Date.now();
    last = look;
    const patience = counted.behind === 0 ? patienceMs.settled : patienceMs.behind;
    if (Date.now() > changedAt + patience) return { repeats: sums, differences };
    await delay(pauseMs);
  }
}

function difference(expected: Expected, what: 'duplicates' | 'conflicts', found: number): string[] {
  const least = expected[what];
  const most = least + expected.doubtful;
  if (found >= least && found <= most) return [];
  const wanted = most === least ? `${least}` : `${least} to ${most}`;
  return [`${expected.topic}: ${wanted} ${what} were sent, the server has counted ${found}.`];
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
