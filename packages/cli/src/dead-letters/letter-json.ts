import type { DeadLetter, WholeDeadLetter } from '@eventsieve/client';

/** As `GET /dead-letters` has it. */
export function letterJson(letter: DeadLetter) {
  return {
    id: String(letter.position),
    topic: letter.topic || null,
    event_id: letter.eventId || null,
    subject: letter.subject,
    code: letter.code,
    reason: letter.reason,
    attempts: letter.attempts,
    received_at: letter.receivedAt || null,
    dead_lettered_at: letter.deadLetteredAt || null,
    state: letter.state,
    state_since: letter.stateSince ?? null,
    redriven_as: idOrNull(letter.redrivenPosition),
    redrive_outcome: letter.redriveOutcome ?? null,
    redrive_of: idOrNull(letter.redriveOf),
    body_bytes: letter.bodyBytes,
  };
}

/** As `GET /dead-letters/{id}` has it. */
export function wholeLetterJson(letter: WholeDeadLetter) {
  const { headers, body, copy } = letter;
  return {
    ...letterJson(letter),
    headers,
    body_base64: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
    copy: copy ? { source: copy.source, timestamp: copy.timestamp, payload_text: copy.payloadText } : null,
  };
}

export const idOrNull = (position: bigint | undefined) => (position === undefined ? null : String(position));
