import {
  type DeadLetter,
  DeadLetterState,
  type HeaderValues,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { instantOfMicros } from '../instant.js';

/** Everything that a list shows; times as microseconds, so that none are lost. */
export const letterColumns = `
  d.position, d.topic, d.event_id, d.subject, octet_length(d.body) as body_bytes, d.code, d.reason, d.attempts,
  (extract(epoch from d.received_at) * 1000000)::bigint as received_at_us,
  (extract(epoch from d.dead_lettered_at) * 1000000)::bigint as dead_lettered_at_us,
  d.state, (extract(epoch from d.state_since) * 1000000)::bigint as state_since_us,
  d.redriven_position, d.redrive_outcome, d.redrive_of`;

export type LetterRow = {
  readonly position: string;
  readonly topic: string;
  readonly event_id: string;
  readonly subject: string;
  readonly body_bytes: number;
  readonly code: string;
  readonly reason: string;
  readonly attempts: number;
  readonly received_at_us: string;
  readonly dead_lettered_at_us: string;
  readonly state: LetterState;
  readonly state_since_us: string | null;
  readonly redriven_position: string | null;
  readonly redrive_outcome: number | null;
  readonly redrive_of: string | null;
};

export type LetterState = 'open' | 'redriven' | 'discarded';

export const stateCodes = {
  open: DeadLetterState.DEAD_LETTER_STATE_OPEN,
  redriven: DeadLetterState.DEAD_LETTER_STATE_REDRIVEN,
  discarded: DeadLetterState.DEAD_LETTER_STATE_DISCARDED,
} as const satisfies Readonly<Record<LetterState, DeadLetterState>>;

export function stateNamed(code: DeadLetterState): LetterState | undefined {
  return (Object.keys(stateCodes) as LetterState[]).find((name) => stateCodes[name] === code);
}

export function deadLetterOf(row: LetterRow): DeadLetter {
  return {
    position: BigInt(row.position),
    topic: row.topic,
    eventId: row.event_id,
    subject: row.subject,
    headers: {},
    body: new Uint8Array(0),
    bodyBytes: row.body_bytes,
    code: row.code,
    reason: row.reason,
    attempts: row.attempts,
    receivedAt: instantOfMicros(BigInt(row.received_at_us)),
    deadLetteredAt: instantOfMicros(BigInt(row.dead_lettered_at_us)),
    state: stateCodes[row.state],
    stateSince: row.state_since_us === null ? undefined : instantOfMicros(BigInt(row.state_since_us)),
    redrivenPosition: BigInt(row.redriven_position ?? 0),
    redriveOutcome: (row.redrive_outcome ?? 0) as Outcome,
    redriveOf: BigInt(row.redrive_of ?? 0),
    copy: undefined,
  };
}

export function headersOf(json: Readonly<Record<string, readonly string[]>>): Record<string, HeaderValues> {
  return Object.fromEntries(Object.entries(json).map(([name, values]) => [name, { values: [...values] }]));
}
