import { type CommandContext, Interruption } from '../command.js';
import { defineCommand } from '../define-command.js';
import { exitCodes, failureOf } from '../exit-codes.js';
import { keepHeapSmall } from '../keep-heap-small.js';
import { readOptions, type SimulateOptions, simulateFlags } from '../simulate/options.js';
import { doneLine, headline, problemsOf, progressLine, summaryLines, verifiedLine } from '../simulate/report.js';
import { runSimulation } from '../simulate/run.js';
import { readBaseline, verifyRun } from '../simulate/verify.js';
import { openTarget } from '../targets/open-target.js';
import type { Target } from '../targets/target.js';

const progressMs = 1_000;

const about = `Exactly round(count × dup-rate) of the copies repeat an event sent before in the same run, and exactly round(count ×
conflict-rate) of these have another payload, so that the server must call them conflicts. They are sent once the event
itself is stored. Ids and source are the run's own, unless --seed is given: the same seed sends the same events again.
With --retry-storm whole requests are sent again, as by a client that has lost patience: after every ten requests a burst
of them in another order. The last line has the server's verdicts, with conflicts counted among the duplicates:
  done received=20000 inserted=14000 duplicates=6000 dup_rate=30.00%
The exit code is 1 when events could not be delivered, or when the verdicts do not add up. --verify also reads what the
server holds of the run: each event once, under its topic and with its payload, and the duplicates and conflicts that it
has counted of the run's source; whatever differs is named, and the exit code is 1.

Verdicts that do not come in time are looked up at the end. With --wait broker an answer only says that the broker has
the copies: most verdicts are not known then, and the last line says accepted= in place of inserted=. BATCH_SIZE is not
read from a .env file: there it is the worker's.`;

export const simulate = defineCommand({
  name: 'simulate',
  summary: 'publish events of which some repeat, and print the verdicts',
  about,
  flags: simulateFlags,
  examples: [
    'npm run simulate',
    'npm run simulate -- --count 100000 --dup-rate 0.3 --verify',
    'npm run simulate -- --retry-storm --conflict-rate 0.01 --verify --topics auth,payment',
    'npm run simulate -- --target http://127.0.0.1:8080 --concurrency 20 --rate 500',
    'COUNT=5000 TARGET_URL=http://127.0.0.1:8080/publish npm run simulate',
  ],
  async run(given, context) {
    const options = readOptions(given, context.environment);
    keepHeapSmall();
    const target = openTarget(options);
    try {
      return await runAndReport(options, target, context);
    } finally {
      target.close();
    }
  },
});

async function runAndReport(options: SimulateOptions, target: Target, context: CommandContext): Promise<number> {
  const { say, complain, interrupted } = context;
  say(headline(options, target));
  const baseline = options.verify ? await readBaseline(options, target) : undefined;
  const run = runSimulation(options, target, interrupted);
  const timer = setInterval(() => say(progressLine(run.tally(), options)), progressMs);
  await run.finished.finally(() => clearInterval(timer));

  const tally = run.tally();
  for (const line of summaryLines(tally)) say(line);
  const isInterrupted = interrupted.aborted && tally.delivered < options.count && tally.failure === undefined;
  const problems = isInterrupted ? [] : problemsOf(tally, options);
  if (baseline !== undefined && !isInterrupted) {
    try {
      const verification = await verifyRun(options, target, run.sent, baseline);
      if (verification.differences.length === 0) say(verifiedLine(verification));
      problems.push(...verification.differences);
    } catch (error) {
      problems.push(`The run could not be verified: ${failureOf(error).line}`);
    }
  }
  for (const problem of problems) complain(problem);
  if (isInterrupted) complain(`Interrupted after ${tally.delivered} of ${options.count} events.`);
  say(doneLine(tally, options));
  if (isInterrupted) return interrupted.reason instanceof Interruption ? interrupted.reason.exitCode : exitCodes.failed;
  return problems.length === 0 ? exitCodes.done : exitCodes.failed;
}
