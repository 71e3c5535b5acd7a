import { fileURLToPath } from 'node:url';
import { trackNothing } from '@eventsieve/embedded/child';
import { expect, inject, test } from 'vitest';
import { controls } from './faults/controls/catalog.js';
import { runControl } from './faults/controls/run-control.js';
import { randomOf } from './faults/random.js';
import { reportLines } from './faults/report.js';
import { rounds } from './faults/rounds/catalog.js';
import { runRound } from './faults/rounds/run-round.js';

// The short form of `npm run test:faults`: its own servers, its own processes.
const build = fileURLToPath(new URL('..', import.meta.url));
const seed = process.env.FAULT_SEED ?? Math.random().toString(36).slice(2, 10);
const context = (seconds: number) => ({
  build,
  natsBinary: inject('natsBinary'),
  track: trackNothing,
  stop: new AbortController().signal,
  seconds,
});

test(`twenty seconds of every fault at once break no promise (FAULT_SEED=${seed})`, async () => {
  const mixed = rounds.find(({ name }) => name === 'mixed');
  if (mixed === undefined) throw new Error('there is no mixed round');
  const faults = new Set<string>();
  let [answered, countReadings] = [0, 0];
  // How much of it there is time for is up to the machine.
  for (let turn = 0; turn < 4 && !(faults.size > 3 && answered > 500 && countReadings > 5); turn++) {
    const random = randomOf(turn === 0 ? `${seed}/mixed` : `${seed}/mixed/${turn}`);
    const report = await runRound(mixed, random, context(20));
    expect(report.findings, reportLines(report).join('\n')).toEqual([]);
    for (const name of Object.keys(report.faults)) faults.add(name);
    answered += report.answered;
    countReadings += report.countReadings;
  }
  expect(faults.size).toBeGreaterThan(3);
  expect(answered).toBeGreaterThan(500);
  expect(countReadings).toBeGreaterThan(5);
}, 600_000);

test.each(controls)(
  'with $name the suite finds something: $about',
  async (control) => {
    // Each is certain to be found sooner or later: how soon is up to the machine.
    for (const [attempt, seconds] of [6, 6, 6, 12, 24].entries()) {
      const report = await runControl(control, randomOf(`${seed}/${control.name}/${attempt}`), context(seconds));
      if (report.findings.length > 0) return;
    }
    expect.unreachable(`nothing was found in a system where ${control.about}`);
  },
  400_000,
);
