import { UsageError } from '../command.js';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { durationMs, type FlagReader } from '../flags.js';
import { readTime, timesHelp } from '../reading/filter-flags.js';
import { lookAt } from '../stats/look.js';
import { type Step, showSeries } from '../stats/series.js';
import { lookTable } from '../stats/show-look.js';
import { watch } from '../stats/watch.js';

export const stats = defineCommand({
  name: 'stats',
  summary: 'show what was counted',
  about: `received + redriven = unique + duplicates + dead letters + in flight; conflicts are counted among the duplicates.
--watch looks again and again until Ctrl-C: on a terminal a table with rates, piped a line at a time. --json: in the
form of GET /stats, /stats/topics, /stats/sources and /stats/series.
${timesHelp}`,
  flags: [
    { name: 'by', choices: ['topic', 'source'], meaning: 'the counts of each topic or source' },
    { name: 'step', choices: ['1m', '1h', '1d'], meaning: 'the counts of each minute, hour or day' },
    { name: 'topic', value: 'topic', meaning: 'with --step or --by source: only this topic, exactly' },
    { name: 'from', value: 'time', fallback: '60 steps ago', meaning: 'with --step: received at or after' },
    { name: 'to', value: 'time', fallback: 'now', meaning: 'with --step: received before' },
    { name: 'watch', kind: 'boolean', meaning: 'looks again and again' },
    { name: 'interval', value: 'time', fallback: '2s', meaning: 'with --watch: how often' },
    jsonFlag,
    ...connectionFlags,
  ],
  examples: [
    'eventsieve stats',
    'eventsieve stats --watch --by topic',
    'eventsieve stats --step 1h --from 1d',
    'eventsieve stats --json | jq .deduplication_rate',
  ],
  run(given, context) {
    const by = given.choice<'topic' | 'source'>('by');
    const step = given.choice<Step>('step');
    const topic = given.text('topic');
    const isWatched = given.isOn('watch');
    const json = given.isOn('json');
    const intervalMs = durationMs(given.given('interval'), 2_000, 100, 86_400_000);
    const times = { from: readTime(given, 'from'), to: readTime(given, 'to') };
    refuseOddPairs(given);
    const signal = context.interrupted;
    return withClient(given, context, async (client) => {
      if (step !== undefined) {
        await showSeries(client, { ...times, topic, step, signal }, json, context);
        return exitCodes.done;
      }
      const look = () => lookAt(client, { by, topic, signal, retry: false });
      if (isWatched) return watch(look, { intervalMs, json }, context);
      const found = await look();
      if (json) context.say(JSON.stringify(found.json));
      else for (const line of lookTable(found)) context.say(line);
      return exitCodes.done;
    });
  },
});

/** What would be left out in silence. */
function refuseOddPairs(given: FlagReader): void {
  const has = (flag: string) => given.given(flag) !== undefined;
  const refuse = (sentence: string) => {
    throw new UsageError(sentence);
  };
  if (has('step') && has('by')) refuse('--step and --by exclude each other.');
  if (has('step') && given.isOn('watch')) refuse('--step and --watch exclude each other.');
  if (!has('step') && (has('from') || has('to'))) refuse('--from and --to go with --step.');
  if (has('topic') && !has('step') && given.given('by')?.value !== 'source') {
    refuse('--topic goes with --step or --by source.');
  }
  if (has('interval') && !given.isOn('watch')) refuse('--interval goes with --watch.');
}
