import type { Command } from '../command.js';
import { readOptions, simulateFlags } from '../simulate/options.js';
import { doneLine, headline, problemsOf, progressLine, summaryLines } from '../simulate/report.js';
import { runSimulation } from '../simulate/run.js';
import { openTarget } from '../targets/open-target.js';

const progressMs = 1_000;

const help = `eventsieve simulate: a publisher that repeats itself, and what the server made of it.

Exactly round(count × dup-rate) of the copies repeat an event sent before in the same run. Ids are unique to the run,
unless --seed is given: the same seed sends the same events again. The last line has the server's verdicts:
  done received=20000 inserted=14000 duplicates=6000 dup_rate=30.00%
The exit code is 1 when events could not be delivered, or when the verdicts do not add up.

  flag            variable     default
${simulateFlags.map(([flag, variable, fallback, meaning]) => `  --${flag.padEnd(13)} ${variable.padEnd(12)} ${fallback.padEnd(21)} ${meaning}`).join('\n')}

Verdicts that do not come in time are looked up at the end. With --wait broker an answer only says that the broker has
the copies: most verdicts are not known then, and the last line says accepted= in place of inserted=. Flags go before
variables, variables before a .env file (BATCH_SIZE is not read from the file: there it is the worker's).

  npm run simulate
  npm run simulate -- --count 100000 --dup-rate 0.5 --topics auth,payment
  npm run simulate -- --target http://127.0.0.1:8080 --concurrency 20
  COUNT=5000 TARGET_URL=http://127.0.0.1:8080/publish npm run simulate`;

export const simulate: Command = {
  name: 'simulate',
  summary: 'publish events of which some repeat, and print the verdicts',
  help,
  async run(args, { environment, say, complain }) {
    const options = readOptions(args, environment);
    const target = openTarget(options);
    say(headline(options, target));
    const run = runSimulation(options, target);
    const timer = setInterval(() => say(progressLine(run.tally(), options)), progressMs);
    try {
      await run.finished;
    } finally {
      clearInterval(timer);
      target.close();
    }
    const tally = run.tally();
    for (const line of summaryLines(tally)) say(line);
    const problems = problemsOf(tally, options);
    for (const problem of problems) complain(problem);
    say(doneLine(tally, options));
    return problems.length === 0 ? 0 : 1;
  },
};
