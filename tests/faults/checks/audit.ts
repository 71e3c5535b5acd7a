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
  let answer = await askForAudit(direct.http);
  // The links between the parts live in this process. While it held rows against answers they stood still, connections that
  // were idle have been closed, and the query service may have to find the broker again.
  while (Date.now() < untilMs && (answer.broken !== undefined || answer.audit?.broker_checked === false)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    answer = await askForAudit(direct.http);
  }
  const { audit } = answer;
  if (audit === undefined) return { findings: [{ check: 'I4', what: answer.broken ?? answer.refusal }], duplicates: 0 };
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

type Answer =
  | { readonly audit: Reconciled; readonly broken?: undefined }
  | { readonly audit?: undefined; readonly broken: string }
  | { readonly audit?: undefined; readonly broken?: undefined; readonly refusal: string };

async function askForAudit(url: string): Promise<Answer> {
  try {
    const response = await fetch(`${url}/stats/reconcile`);
    const text = await response.text();
    return response.ok ? { audit: JSON.parse(text) } : { refusal: `the audit answered ${response.status}: ${text}` };
  } catch (error) {
    const { message, cause } = error as Error;
    return { broken: `the audit cannot be asked: ${message}, ${String(cause)}` };
  }
}
