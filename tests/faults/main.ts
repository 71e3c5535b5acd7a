import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findNatsServer } from '@eventsieve/embedded/find-nats-server';
import { runTool } from '@eventsieve/embedded/run-tool';
import { startGuard } from '@eventsieve/embedded/start-guard';
import { onStopSignals } from '@eventsieve/embedded/stop-signals';
import { runControl } from './controls/run-control.js';
import { fuzzFor } from './fuzz/fuzz-round.js';
import { help, type Options, readOptions } from './options.js';
import { randomOf } from './random.js';
import { controlLines, fuzzLines, reportLines } from './report.js';
import type { RoundReport } from './rounds/round.js';
import { runRound } from './rounds/run-round.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const say = (line: string) => void process.stdout.write(`${line}\n`);

const controlSeconds = 12;

async function runAll({ seed, minutes, rounds, fuzz, controls, again, json, keep }: Options): Promise<number> {
  const { stopping } = onStopSignals(say);
  const guard = startGuard();
  const reports: RoundReport[] = [];
  const wrong: string[] = [];
  try {
    const nats = await findNatsServer({ say, stop: stopping, track: guard.track });
    say(`seed ${seed}; again with: npm run test:faults -- --seed ${seed} ${again}`);
    say(`nats-server ${nats.version} (${nats.path})`);
    const common = { build: root, natsBinary: nats.path, track: guard.track, stop: stopping };
    const weights = rounds.reduce((sum, { weight = 1 }) => sum + weight, fuzz ? 1 : 0);
    // A part of each round's time goes into building, healing and looking.
    const secondsFor = (weight = 1) => Math.max(5, (minutes * 60 * weight) / weights - 12);
    for (const round of rounds) {
      say(`     ${round.name}: ${round.about}`);
      const context = { ...common, seconds: secondsFor(round.weight), keep };
      const report = await runRound(round, randomOf(`${seed}/${round.name}`), context);
      reports.push(report);
      for (const line of reportLines(report)) say(line);
      if (report.findings.length > 0) wrong.push(round.name);
    }
    if (fuzz) {
      say('     fuzz: whatever can be sent to both doors');
      const report = await fuzzFor(randomOf(`${seed}/fuzz`), { ...common, seconds: secondsFor() }, say);
      for (const line of fuzzLines(report)) say(line);
      if (report.findings.length > 0) wrong.push('fuzz');
    }
    for (const control of controls) {
      say(`     control ${control.name}: ${control.about}`);
      const random = randomOf(`${seed}/control ${control.name}`);
      const report = await runControl(control, random, { ...common, seconds: controlSeconds });
      reports.push(report);
      for (const line of controlLines(report)) say(line);
      if (report.findings.length === 0) wrong.push(control.name);
    }
  } finally {
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ seed, minutes, reports }, null, 2)}\n`);
    await guard.close();
  }
  const copies = reports.reduce((sum, { attempted }) => sum + attempted, 0);
  say(`done seed=${seed} rounds=${reports.length + (fuzz ? 1 : 0)} copies=${copies} bad=${wrong.length}`);
  return wrong.length === 0 ? 0 : 1;
}

await runTool({
  help,
  read: readOptions,
  run: runAll,
  explain: ({ message, stack }) => (message === 'stopped' ? 'stopped before the end' : stack),
});
