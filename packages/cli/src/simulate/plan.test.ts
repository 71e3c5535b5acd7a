import { expect, test } from 'vitest';
import type { Copy } from '../targets/target.js';
import { type PlanOptions, planRun } from './plan.js';

const topics = ['auth', 'payment', 'orders'];
const basic = { conflicts: 0, topics, batchSize: 10, storm: false, run: 'run' };
const planOf = (options: Pick<PlanOptions, 'count' | 'repeats'> & Partial<PlanOptions>) =>
  planRun({ ...basic, ...options });
const keyOf = ({ topic, eventId }: Copy) => `${topic}/${eventId}`;
const copiesOf = (options: Parameters<typeof planOf>[0]) => [...planOf(options).requests()].flat();

const runs = [
  [1, 0],
  [2, 1],
  [7, 3],
  [10, 9],
  [1000, 999],
  [1000, 300],
  [9973, 4999],
  [20_000, 6_000],
] as const;

test.each(runs.flatMap((run) => [[...run, false] as const, [...run, true] as const]))(
  'of %i copies exactly %i repeat one sent before, whether in a storm or not (%s)',
  (count, repeats, storm) => {
    const seen = new Set<string>();
    let repeated = 0;
    let copies = 0;
    for (const request of planOf({ count, repeats, storm }).requests()) {
      expect(request.length).toBeGreaterThan(0);
      expect(request.length).toBeLessThanOrEqual(10);
      for (const copy of request) {
        copies++;
        if (seen.has(keyOf(copy))) repeated++;
        seen.add(keyOf(copy));
      }
    }
    expect({ copies, repeated, unique: seen.size }).toEqual({
      copies: count,
      repeated: repeats,
      unique: count - repeats,
    });
  },
);

test.each([false, true])(
  'a repeat is the same event to the letter, but for exactly the conflicts (storm: %s)',
  (storm) => {
    const options = { count: 3000, repeats: 1500, conflicts: 77, storm };
    const { copyOf } = planOf(options);
    const contents = new Map<number, string>();
    let conflicts = 0;
    for (const copy of copiesOf(options)) {
      const { isConflict, ...content } = copy;
      const first = contents.get(copy.event);
      if (first === undefined) contents.set(copy.event, JSON.stringify(content));
      if (isConflict) conflicts++;
      expect(JSON.stringify(content) === (first ?? JSON.stringify(content))).toBe(!isConflict);
      expect(keyOf(copyOf(copy.event))).toBe(keyOf(copy));
    }
    expect(conflicts).toBe(77);
    for (const topic of topics) {
      expect([...contents.values()].filter((content) => content.includes(`"${topic}"`)).length).toBeGreaterThan(400);
    }
  },
);

test('a storm sends whole requests again, and not in their order', () => {
  const sent: string[] = [];
  const again: number[] = [];
  for (const request of planOf({ count: 2_000, repeats: 1_000, storm: true }).requests()) {
    const text = JSON.stringify(request);
    if (sent.includes(text)) again.push(sent.indexOf(text));
    else sent.push(text);
  }
  expect(sent).toHaveLength(100);
  expect(again).toHaveLength(100);
  expect(again).not.toEqual([...again].sort((a, b) => a - b));
});

test('the run alone decides what is sent', () => {
  const keys = (run: string) => copiesOf({ count: 100, repeats: 30, run }).map(keyOf);
  expect(keys('a')).toEqual(keys('a'));
  expect(keys('a')).not.toEqual(keys('b'));
});
