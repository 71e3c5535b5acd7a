import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { keyOf, type Ledger, payloadOf, source } from '../load/ledger.js';
import { type Finding, findingOf } from './finding.js';
import type { RowsOfId } from './rows.js';

/**
 * I1 to I3, and with them I6: what was answered is there; no id is there twice; the stored row is one of the copies, and
 * the one that was said to be stored; an answered copy with other content is recorded as a conflict.
 */
export function checkAnswers(ledger: Ledger, rows: ReadonlyMap<string, RowsOfId>): Finding[] {
  const lost: string[] = [];
  const twice: string[] = [];
  const foreign: string[] = [];
  const moved: string[] = [];
  const unrecorded: string[] = [];

  for (const entry of ledger.entries.values()) {
    const key = keyOf(entry);
    const found = rows.get(key);
    const answers = [...entry.answered.values()].flatMap((outcomes) => [...outcomes]);
    if (answers.length > 0 && (found === undefined || found.keys + found.deadLetters === 0)) {
      lost.push(`${key} was answered as ${answers.map((outcome) => Outcome[outcome]).join(', ')}`);
      continue;
    }
    if (found === undefined) continue;
    if (found.keys > 1 || found.stored.length > 1) twice.push(key);
    const [stored] = found.stored;
    if (stored === undefined) continue;

    const variant = [...entry.attempted.keys()].find((each) =>
      same(stored.payload, payloadOf({ ...entry, variant: each })),
    );
    if (variant === undefined || stored.source !== source) {
      foreign.push(`${key} holds ${stored.payload}`);
      continue;
    }
    const said = entry.storedAt;
    if (said !== undefined && (said.position !== stored.position || said.variant !== variant)) {
      moved.push(`${key} was said to be stored at ${said.position}, and is at ${stored.position}`);
    }
    for (const other of entry.answered.keys()) {
      const payload = payloadOf({ ...entry, variant: other });
      if (other !== variant && !found.conflicts.some((each) => same(each, payload))) {
        unrecorded.push(`${key} variant ${other}`);
      }
    }
  }

  return [
    ...findingOf('I1', 'answered and not there', lost),
    ...findingOf('I2', 'there twice', twice),
    ...findingOf('I3', 'stored with content that nobody sent', foreign),
    ...findingOf('I3', 'not where the answer said', moved),
    ...findingOf('I3', 'answered with two positions', ledger.contradictions),
    ...findingOf('I3', 'a copy with other content is no conflict', unrecorded),
  ];
}

/** As JSON values: Postgres spells them its own way. */
function same(a: string, b: string): boolean {
  const sorted = (text: string) => JSON.stringify(Object.entries(JSON.parse(text) as object).sort());
  return a === b || sorted(a) === sorted(b);
}
