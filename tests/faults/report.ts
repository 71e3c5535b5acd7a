import type { FuzzReport } from './fuzz/run-fuzz.js';
import type { RoundReport } from './rounds/round.js';

const listed = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ') || 'none';

/** What one round did and found, for a person. */
export function reportLines(report: RoundReport): string[] {
  const { name, seconds, attempted, answered, ids, retries, outcomes, faults, lookups, drainMs, peakMib } = report;
  const followed = Object.entries(report.followed).map(
    ([who, { events, resumed }]) => `${who} ${events} (resumed ${resumed} times)`,
  );
  return [
    `${report.findings.length === 0 ? 'ok  ' : 'BAD '} ${name}, ${seconds} s`,
    `     copies ${attempted} sent, ${answered} answered (${listed(outcomes)}), of ${ids} ids; ${retries} retries`,
    `     faults: ${listed(faults)}`,
    `     look-ups ${lookups.answered}, "never seen" ${lookups.neverSeen}; counts read ${report.countReadings} times`,
    `     followers: ${followed.join(', ')}`,
    `     drained ${drainMs} ms after healing; most memory in MiB: ${listed(peakMib)}`,
    ...report.notes.slice(0, 6).map((note) => `     ${note}`),
    ...report.findings.map(({ check, what }) => `     ${check}: ${what}`),
  ];
}

/** A control is good when something was found. */
export function controlLines({ name, seconds, findings }: RoundReport): string[] {
  if (findings.length === 0) return [`BAD  ${name}, ${seconds} s: nothing was found, though a rule was left out`];
  const found = [...new Set(findings.map(({ check }) => check))].join(', ');
  return [`ok   ${name}, ${seconds} s: found by ${found}`, `     ${findings[0]?.what.slice(0, 200)}`];
}

export function fuzzLines({ functions, doors, findings }: FuzzReport): string[] {
  const kinds = Object.entries(functions.kinds).map(([kind, { taken, refused }]) => `${kind} ${taken}/${refused}`);
  return [
    `${findings.length === 0 ? 'ok  ' : 'BAD '} fuzz`,
    `     to functions, taken/refused: ${kinds.join(', ')}; ${functions.stored} stored, read back and compared`,
    `     over the wire: ${listed(doors.sent)}`,
    ...findings.map(({ check, what }) => `     ${check}: ${what}`),
  ];
}
