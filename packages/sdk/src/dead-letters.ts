import type { FieldError } from '@eventsieve/contract/errors';
import {
  type DeadLetter as WireDeadLetter,
  type DeadLetterFilter as WireFilter,
  DeadLetterState as WireState,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { Outcome as WireOutcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { encodeTime } from './encode-filter.js';
import { refuse } from './error.js';
import { formatInstant } from './instant.js';
import { type Outcome, outcomes } from './publish.js';

/** `open`: waits for somebody. `redriven`: was sent through again, and that is settled. `discarded`: given up. */
export type DeadLetterState = 'open' | 'redriven' | 'discarded';

/** Those that fit all that is given. */
export interface DeadLetterFilter {
  /** Only this topic, exactly. */
  readonly topic?: string | undefined;
  readonly eventId?: string | undefined;
  /** The SQLSTATE of Postgres' refusal, or UNDECODABLE. */
  readonly code?: string | undefined;
  /** Dead-lettered at or after this time. */
  readonly from?: Date | string | undefined;
  /** Dead-lettered before this time. */
  readonly to?: Date | string | undefined;
}

/** A copy that Postgres could not hold or that nobody could decode. */
export interface DeadLetter {
  /** Its name for ever: the position of the copy. */
  readonly position: bigint;
  /** As far as they could be read. */
  readonly topic: string;
  readonly eventId: string;
  readonly subject: string;
  readonly bodyBytes: number;
  /** The SQLSTATE of Postgres' refusal, or UNDECODABLE. */
  readonly code: string;
  readonly reason: string;
  /** How often the broker had handed it out. */
  readonly attempts: number;
  /** ISO 8601, UTC. */
  readonly receivedAt: string;
  readonly deadLetteredAt: string;
  readonly state: DeadLetterState;
  /** Since when; absent while open. */
  readonly stateSince?: string;
  /** The position of the message that sent it through again, and what became of that. */
  readonly redrivenPosition?: bigint;
  readonly redriveOutcome?: Outcome;
  /** The dead letter that this one was sent through again for; absent of a copy that came from a publisher. */
  readonly redriveOf?: bigint;
}

/** One with everything that it came with. */
export interface WholeDeadLetter extends DeadLetter {
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: Uint8Array;
  /** What its bytes say, as far as they could be read, without any promise that it is valid. */
  readonly copy?: { readonly source: string; readonly timestamp: string; readonly payloadText: string };
}

const states: Readonly<Record<DeadLetterState, WireState>> = {
  open: WireState.DEAD_LETTER_STATE_OPEN,
  redriven: WireState.DEAD_LETTER_STATE_REDRIVEN,
  discarded: WireState.DEAD_LETTER_STATE_DISCARDED,
};

export function encodeLetterFilter(filter: DeadLetterFilter, state?: DeadLetterState): WireFilter {
  const faults: FieldError[] = [];
  const known = state === undefined || Object.hasOwn(states, state);
  if (!known) faults.push({ field: 'filter.state', message: 'must be open, redriven or discarded' });
  const from = encodeTime('filter.from', filter.from, faults);
  const to = encodeTime('filter.to', filter.to, faults);
  if (faults.length > 0) throw refuse(faults);
  return {
    topic: filter.topic ?? '',
    eventId: filter.eventId ?? '',
    code: filter.code ?? '',
    state: state === undefined ? WireState.DEAD_LETTER_STATE_UNSPECIFIED : states[state],
    from,
    to,
  };
}

export function deadLetterOf(letter: WireDeadLetter): DeadLetter {
  const { stateSince, redrivenPosition, redriveOf } = letter;
  const redriveOutcome = redriveOutcomeOf(letter.redriveOutcome);
  return {
    position: letter.position,
    topic: letter.topic,
    eventId: letter.eventId,
    subject: letter.subject,
    bodyBytes: letter.bodyBytes,
    code: letter.code,
    reason: letter.reason,
    attempts: letter.attempts,
    receivedAt: letter.receivedAt ? formatInstant(letter.receivedAt) : '',
    deadLetteredAt: letter.deadLetteredAt ? formatInstant(letter.deadLetteredAt) : '',
    state: stateOf(letter.state),
    ...(stateSince ? { stateSince: formatInstant(stateSince) } : {}),
    ...(redrivenPosition === 0n ? {} : { redrivenPosition }),
    ...(redriveOutcome === undefined ? {} : { redriveOutcome }),
    ...(redriveOf === 0n ? {} : { redriveOf }),
  };
}

export function wholeDeadLetterOf(letter: WireDeadLetter): WholeDeadLetter {
  const { headers, body, copy } = letter;
  return {
    ...deadLetterOf(letter),
    headers: Object.fromEntries(Object.entries(headers).map(([name, { values }]) => [name, values])),
    body,
    ...(copy ? { copy } : {}),
  };
}

function stateOf(state: WireState): DeadLetterState {
  const found = Object.entries(states).find(([, wire]) => wire === state);
  return (found?.[0] as DeadLetterState | undefined) ?? 'open';
}

/** Undefined while nothing was sent through again. */
export function redriveOutcomeOf(outcome: WireOutcome): Outcome | undefined {
  if (outcome === WireOutcome.OUTCOME_UNSPECIFIED) return undefined;
  return outcomes[outcome] ?? 'accepted';
}
