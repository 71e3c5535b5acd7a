import type { RoundReport } from './rounds/round.js';

const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

/** What one round did and found, for a person. */
export function reportLines(report: RoundReport): string[] {
  const { name, seconds, attempted, answered, ids, retries, outcomes, faults, lookups, drainMs, peakMib } = report;
  return [
    `${report.findings.length === 0 ? 'ok  ' : 'BAD '} ${name}, ${seconds} s`,
    `     copies ${attempted} sent, ${answered} answered (${listed(outcomes)}), of ${ids} ids; ${retries} retries`,
    `     faults: ${listed(faults)}`,
    `     look-ups ${lookups.answered}, "never seen" ${lookups.neverSeen}; counts read ${report.countReadings} times`,
    `     drained ${drainMs} ms after healing; most memory in MiB: ${listed(peakMib)}`,
    ...report.notes.slice(0, 6).map((note) => `     ${note}`),
    ...report.findings.map(({ check, what }) => `     ${check}: ${what}`),
  ];
}
