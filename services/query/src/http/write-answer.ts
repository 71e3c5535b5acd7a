import type { PublishResponse, PublishResult } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { formatInstant } from '../instant.js';
import { outcomeNames } from './outcome-names.js';

const text = (value: string) => JSON.stringify(value);

/** As JSON. Written piece by piece: an object of it for JSON.stringify costs three times as much as its text. */
export function writeAnswer(response: PublishResponse): string {
  const { received, accepted, inserted, duplicates, conflicts, rejected, results } = response;
  const message = `Received ${received} events, accepted ${accepted}, rejected ${duplicates} duplicates`;
  let list = '';
  for (const result of results) list += list === '' ? writeResult(result) : `,${writeResult(result)}`;
  return (
    `{"received":${received},"accepted":${accepted},"inserted":${inserted},"duplicates":${duplicates},` +
    `"conflicts":${conflicts},"rejected":${rejected},"message":"${message}","results":[${list}]}`
  );
}

function writeResult({ topic, eventId, outcome, position, firstSeenAt, error }: PublishResult): string {
  let members = `"topic":${text(topic)},"event_id":${text(eventId)},"outcome":"${outcomeNames[outcome] ?? 'unknown'}"`;
  if (position !== 0n) members += `,"position":"${position}"`;
  if (firstSeenAt !== undefined) members += `,"first_seen_at":"${formatInstant(firstSeenAt)}"`;
  if (error !== undefined) {
    const { code, message, field } = error;
    members += `,"error":{"code":${text(code.toLowerCase())},"message":${text(message)},"field":${text(field)}}`;
  }
  return `{${members}}`;
}
