import { fileURLToPath } from 'node:url';
import { runTask } from '@eventsieve/embedded/child';
import { runTool } from '@eventsieve/embedded/run-tool';
import { startGuard } from '@eventsieve/embedded/start-guard';
import { onStopSignals } from '@eventsieve/embedded/stop-signals';
import { checkCounts } from './ghz/check-counts.js';
import { findGhz } from './ghz/find-ghz.js';
import { type GhzOptions, ghzHelp, readGhzOptions } from './ghz/ghz-options.js';
import { readSummary } from './ghz/read-summary.js';
import { startOwnInstance } from './own-instance.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const config = 'bench/ghz/publish.json';
const say = (line: string) => void process.stdout.write(`${line}\n`);
const complain = (line: string) => void process.stderr.write(`${line}\n`);

async function benchGhz({ target, ghzFlags, load }: GhzOptions): Promise<number> {
  const { stopping } = onStopSignals(say);
  const guard = startGuard();
  const context = { environment: process.env, say, stopping, track: guard.track, root };
  try {
    const ghz = await findGhz(context);
    if (target === undefined) say('starting an instance of its own, with empty data');
    const instance = target === undefined ? await startOwnInstance(context) : undefined;
    try {
      const host = instance?.gateway ?? target ?? '';
      say(`ghz publishes to ${host}, ${load} (${config})`);
      const { code, output } = await runTask(ghz, ['--config', config, ...ghzFlags, host], {
        cwd: root,
        stop: stopping,
        track: guard.track,
      });
      say(`${output}\n`);
      const counts = readSummary(output);
      if (code !== 0 || counts === undefined) throw new Error(`ghz ended with exit code ${code} and no summary.`);
      const problems = counts.failed > 0 ? [`${counts.failed} calls failed.`] : [];
      if (instance !== undefined) {
        const check = await checkCounts(instance.query, counts.ok);
        say(check.line);
        problems.push(...check.problems);
      }
      for (const problem of problems) complain(problem);
      if (problems.length === 0) say(`done ok=${counts.ok}${instance === undefined ? '' : ', the counts are exact'}`);
      return problems.length === 0 ? 0 : 1;
    } finally {
      await instance?.stop();
    }
  } finally {
    await guard.close();
  }
}

await runTool({ help: ghzHelp, read: readGhzOptions, run: benchGhz });
