import type { World } from '../world/world.js';
import { type Finding, findingOf } from './finding.js';

interface Reconciled {
  readonly ok: boolean;
  readonly differences: readonly { readonly message: string; readonly positions: readonly string[] }[];
  readonly counters: { readonly received: number; readonly dead_lettered: number; readonly duplicate_dropped: number };
  readonly broker_checked: boolean;
}

export interface Audited {
  readonly findings: readonly Finding[];
  readonly duplicates: number;
}

const brokerWithinMs = 30_000;
const pauseMs = 1_000;

/** I4: the audit finds nothing, and `received` lies between the copies answered and the copies attempted. */
export async function checkAudit(
  { direct }: World,
  bounds: { readonly answered: number; readonly attempted: number; readonly deadLetters: number },
): Promise<Audited> {
  const untilMs = Date.now() + brokerWithinMs;
  let response = await fetch(`${direct.http}/stats/reconcile`);
  let audit = (await response.json()) as Reconciled;
  // The links between the parts live in this process. While it held rows against answers they stood still, and the query
  // service may have to find the broker again.
  while (response.ok && !audit.broker_checked && Date.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    response = await fetch(`${direct.http}/stats/reconcile`);
    audit = (await response.json()) as Reconciled;
  }
  if (!response.ok)
    return { findings: [{ check: 'I4', what: `the audit answered ${response.status}` }], duplicates: 0 };
  const { received, dead_lettered, duplicate_dropped } = audit.counters;
  const findings = findingOf(
    'I4',
    'the audit differs',
    audit.differences.map(({ message, positions }) => `${message} ${positions.slice(0, 5).join(' ')}`),
  );
  if (!audit.broker_checked) findings.push({ check: 'I4', what: 'the audit could not ask the broker' });
  if (received < bounds.answered || received > bounds.attempted) {
    const between = `${bounds.answered} (answered) and ${bounds.attempted} (attempted)`;
    findings.push({ check: 'I4', what: `received is ${received}, not between ${between}` });
  }
  if (dead_lettered !== bounds.deadLetters) {
    findings.push({ check: 'I1', what: `${dead_lettered} dead letters, but ${bounds.deadLetters} poison messages` });
  }
  return { findings, duplicates: duplicate_dropped };
}
