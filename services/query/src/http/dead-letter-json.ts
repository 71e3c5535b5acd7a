import type { DeadLetter } from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { stateNamed } from '../dead-letters/dead-letter-row.js';
import { formatInstant } from '../instant.js';
import { outcomeNames } from './outcome-names.js';

const idOrNull = (position: bigint) => (position === 0n ? null : position.toString());
const textOrNull = (text: string) => (text === '' ? null : text);

/** What a list shows of a dead letter. */
export function deadLetterJson(letter: DeadLetter) {
  return {
    id: letter.position.toString(),
    topic: textOrNull(letter.topic),
    event_id: textOrNull(letter.eventId),
    subject: letter.subject,
    code: letter.code,
    reason: letter.reason,
    attempts: letter.attempts,
    received_at: letter.receivedAt ? formatInstant(letter.receivedAt) : null,
    dead_lettered_at: letter.deadLetteredAt ? formatInstant(letter.deadLetteredAt) : null,
    state: stateNamed(letter.state) ?? 'unknown',
    state_since: letter.stateSince ? formatInstant(letter.stateSince) : null,
    redriven_as: idOrNull(letter.redrivenPosition),
    redrive_outcome: outcomeNames[letter.redriveOutcome] ?? null,
    redrive_of: idOrNull(letter.redriveOf),
    body_bytes: letter.bodyBytes,
  };
}

/** The same with everything that it came with. */
export function wholeDeadLetterJson(letter: DeadLetter) {
  const { headers, body, copy } = letter;
  return {
    ...deadLetterJson(letter),
    headers: Object.fromEntries(Object.entries(headers).map(([name, { values }]) => [name, values])),
    body_base64: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    copy: copy ? { source: copy.source, timestamp: copy.timestamp, payload_text: copy.payloadText } : null,
  };
}
