import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findNatsServer } from '@eventsieve/embedded/find-nats-server';
import { runTool } from '@eventsieve/embedded/run-tool';
import { startGuard } from '@eventsieve/embedded/start-guard';
import { onStopSignals } from '@eventsieve/embedded/stop-signals';
import { openBench } from './bench-context.js';
import { type BenchOptions, benchHelp, readBenchOptions } from './bench-options.js';
import { cases } from './cases/catalog.js';
import { describeMachine, printTable, toJson } from './report.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function runBench({ only, json, seconds, profile }: BenchOptions): Promise<number> {
  const { stopping } = onStopSignals(say);
  const guard = startGuard();
  const { track } = guard;
  const environment = process.env;
  try {
    const { path: natsBinary } = await findNatsServer({ env: environment, say, stop: stopping, track });
    const bench = await openBench({ root, environment, natsBinary, track, stopping, say, seconds, profile });
    try {
      for (const { name, run } of cases) {
        if (stopping.aborted) break;
        if (only !== undefined && !only.has(name)) continue;
        await run(bench).catch((error: unknown) => {
          if (!stopping.aborted) bench.add({ name, exact: false, problems: [(error as Error).message] });
        });
      }
    } finally {
      const { postgres, nats } = bench.servers;
      const machine = describeMachine({ postgres: postgres.version, nats: nats.version });
      const results = [...bench.results.values()];
      // What was measured before an end that nobody wanted is shown as well.
      process.stdout.write(printTable(machine, results));
      if (json !== undefined) writeFileSync(json, toJson(machine, results));
      await bench.close();
    }
    const wrong = [...bench.results.values()].filter(({ exact }) => !exact);
    for (const { name, problems = [] } of wrong) say(`${name} is not exact: ${problems.join('; ')}`);
    return wrong.length === 0 && !stopping.aborted ? 0 : 1;
  } finally {
    await guard.close();
  }
}

await runTool({ help: benchHelp, read: readBenchOptions, run: runBench });
