import type { Target } from '../targets/target.js';
import type { SimulateOptions } from './options.js';
import type { Tally } from './run.js';
import type { Verification } from './verify.js';

export function headline(options: SimulateOptions, to: Target): string {
  const { count, repeats, conflicts, concurrency, batchSize, topics, wait, storm, rate, run } = options;
  const kind = `${conflicts > 0 ? `, ${conflicts} of these conflicts` : ''}${storm ? ', in storms' : ''}`;
  const pace = rate > 0 ? `, ${rate} events/s` : '';
  return `${count} events, ${repeats} of them repeats${kind}, to ${to.name}: ${batchSize} in a request, ${concurrency} requests at a time${pace}, topics ${topics.join(', ')}, wait=${wait}, run ${run}`;
}

export function progressLine(tally: Tally, { count }: SimulateOptions): string {
  const { delivered, elapsedMs, errors, timeouts, lastError } = tally;
  const percent = Math.floor((delivered / count) * 100);
  const trouble = lastError === undefined ? '' : ` (last: ${lastError})`;
  return `  ${delivered} of ${count} (${percent} %), ${perSecond(delivered, elapsedMs)} events/s, errors ${errors}, timeouts ${timeouts}${trouble}`;
}

export function summaryLines(tally: Tally): string[] {
  const { delivered, elapsedMs, latencies, errors, timeouts, resent, conflicts } = tally;
  return [
    `total ${(elapsedMs / 1000).toFixed(2)} s, ${perSecond(delivered, elapsedMs)} events/s`,
    `latency of a request: mean ${latencies.meanMs().toFixed(1)} ms, p99 ${latencies.quantileMs(0.99).toFixed(1)} ms`,
    `errors ${errors}, timeouts ${timeouts}, copies sent again ${resent}`,
    ...(conflicts > 0 ? [`conflicts ${conflicts}, counted among the duplicates`] : []),
    ...(resent > 0 ? ['(a copy sent again is a duplicate where its first sending had got through after all)'] : []),
  ];
}

export function doneLine({ received, inserted, accepted, duplicates }: Tally, { wait }: SimulateOptions): string {
  const taken = wait === 'stored' ? `inserted=${inserted}` : `accepted=${accepted}`;
  const rate = received === 0 ? 0 : (duplicates / received) * 100;
  return `done received=${received} ${taken} duplicates=${duplicates} dup_rate=${rate.toFixed(2)}%`;
}

/** One sentence for each thing that is not as it must be. */
export function problemsOf(tally: Tally, options: SimulateOptions): string[] {
  const { count, repeats, wait, seeded } = options;
  const { delivered, received, accepted, inserted, duplicates, conflicts, deadLettered, undecided, resent } = tally;
  const problems: string[] = [];
  if (delivered < count) {
    const hint = delivered === 0 ? ' (is eventsieve running there? npm start starts it)' : '';
    problems.push(`${count - delivered} events could not be delivered: ${tally.failure}${hint}`);
  }
  if (received !== delivered)
    problems.push(`${delivered} copies were delivered, the server says it received ${received}.`);
  const mostConflicts = options.conflicts + (options.conflicts > 0 ? resent : 0);
  const leastConflicts = delivered < count || undecided > 0 ? 0 : options.conflicts;
  if (conflicts > mostConflicts || conflicts < leastConflicts) {
    problems.push(`${options.conflicts} copies are conflicts, the server found ${conflicts}.`);
  }
  if (deadLettered > 0) problems.push(`${deadLettered} copies are among the dead letters.`);

  const fresh = count - repeats;
  if (wait === 'broker') {
    if (accepted + duplicates !== received) problems.push(`accepted and duplicates are not ${received} together.`);
    return problems;
  }
  if (undecided > 0)
    problems.push(
      `${undecided} verdicts did not come in time and could not be looked up; fewer requests at a time (--concurrency) may help.`,
    );
  if (inserted + duplicates + deadLettered + undecided !== received) {
    problems.push(`inserted and duplicates are not ${received} together.`);
  }
  // What a seed names may be there from a run before, and a copy whose answer was lost counts as the duplicate of itself.
  const least = seeded || delivered < count ? 0 : fresh - resent - deadLettered - undecided;
  if (inserted > fresh || inserted < least) problems.push(`${fresh} events are new, the server inserted ${inserted}.`);
  return problems;
}

export function verifiedLine({ stored, duplicates, conflicts }: Verification): string {
  return `verified: ${stored} events, each stored once, under its topic and as it was sent; ${duplicates} duplicates counted, ${conflicts} of them conflicts`;
}

function perSecond(events: number, ms: number): number {
  return ms === 0 ? 0 : Math.round((events / ms) * 1000);
}
