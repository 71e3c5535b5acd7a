import type { Pool } from 'pg';
import { deliveryOf } from './model-broker.js';
import type { ModelStore, Row } from './model-store.js';

// Both sides as lines of text, so that what differs can be read.

const us = (time: string) => `(extract(epoch from ${time}) * 1000000)::bigint`;
const line = (...parts: string[]) => `concat_ws('|', ${parts.map((part) => `coalesce((${part})::text, '-')`)})`;
const counts = ['unique', 'duplicate', 'conflict', 'dead_letter', 'redriven'] as const;
const sums = counts.map((count) => `sum(${count}_count)`);
const counted = `having ${counts.map((count) => `sum(${count}_count) <> 0`).join(' or ')}`;

const selectLines = {
  name: 'model_lines',
  rowMode: 'array',
  text: `
    select ${line(
      "'row'",
      'k.position',
      "'stored'",
      us('k.received_at'),
      'k.topic',
      'k.event_id',
      'e.source',
      'e.payload',
      us('e.timestamp'),
      'k.received_at = e.received_at and k.content = content_of(e.source, e.payload)',
    )} from event_keys k full join events e using (topic, event_id, position)
    union all select ${line(
      "'row'",
      'position',
      "'refused'",
      us('received_at'),
      'topic',
      'event_id',
      'source',
      'payload',
      us('timestamp'),
      'first_position',
      us('first_seen_at'),
      'conflict',
    )} from refused
    union all select ${line("'row'", 'position', "'tally'", us('received_at'), 'copies', 'groups')} from tallies
    union all select ${line(
      "'row'",
      'position',
      "'dead'",
      us('received_at'),
      'topic',
      'event_id',
      'code',
      'subject',
      "encode(body, 'hex')",
      'attempts',
      'redrive_of',
      'state',
      'redriven_position',
      'redrive_outcome',
      'state_since is not null',
    )} from dead_letters
    union all select ${line("'row'", 'position', "'replay'", us('received_at'))} from replays
    union all select ${line("'redrive'", 'sending', 'dead_letter')} from redrives
    union all select ${line("'topic'", 'topic', ...sums)} from topic_counters group by topic ${counted}
    union all select ${line("'minute'", us('minute'), 'topic', ...sums)} from minute_counters
      group by minute, topic ${counted}
    union all select ${line("'epoch'", 'epoch', 'base', 'stream_created', 'replay_until')} from epochs
    union all select ${line("'watermark'", 'position', 'known')} from watermark`,
} as const;

export async function readLines(observer: Pool): Promise<string[]> {
  const { rows } = await observer.query<[string]>(selectLines);
  return rows.map(([text]) => text).sort();
}

export function linesOf(store: ModelStore): string[] {
  const lines = [...store.rows].map(([position, row]) => rowLine(store, position, row));
  for (const [sending, letter] of store.redrives) lines.push(joined('redrive', sending, letter));
  for (const { epoch, base, created, replayUntil } of store.epochs) {
    lines.push(joined('epoch', epoch, base, created, replayUntil));
  }
  lines.push(joined('watermark', store.watermark, store.known), ...countLines(store));
  return lines.sort();
}

const joined = (...parts: unknown[]) => parts.map((part) => part ?? '-').join('|');

function rowLine(store: ModelStore, position: number, row: Row): string {
  const { message, atUs, kind } = row;
  const { content } = message;
  const place = ['row', position, kind, atUs];
  if (kind === 'replay') return joined(...place);
  if (kind === 'dead') {
    const { code, redriveOf, state, redriven } = row.letter;
    const { subject, body } = deliveryOf({ message, position, atUs });
    const id = content.kind === 'copy' ? [content.topic, content.eventId] : ['', ''];
    const bytes = Buffer.from(body).toString('hex');
    const turned = [redriveOf, state, redriven?.position, redriven?.outcome, state !== 'open'];
    return joined(...place, ...id, code, subject, bytes, 1, ...turned);
  }
  if (content.kind === 'tally') {
    const groups = content.groups.map(
      ({ topic, source, eventIds }) =>
        `{"topic": "${topic}", "source": "${source}", "event_ids": [${eventIds.map((id) => `"${id}"`).join(', ')}]}`,
    );
    return joined(...place, content.groups.flatMap(({ eventIds }) => eventIds).length, `[${groups.join(', ')}]`);
  }
  if (content.kind === 'undecodable') throw new Error('the model stored what cannot be read');
  const { topic, eventId, source, payload, timestampUs } = content;
  if (kind === 'refused') {
    const kept = row.conflict ? payload.stored : '-';
    const judged = [row.first, store.rows.get(row.first)?.atUs, row.conflict];
    return joined(...place, topic, eventId, source, kept, timestampUs, ...judged);
  }
  return joined(...place, topic, eventId, source, payload.stored, timestampUs, true);
}

/** Counted from the rows alone: each adds to its topic, in the minute in which the broker took its message. */
function countLines({ rows }: ModelStore): string[] {
  const byKey = new Map<string, number[]>();
  const add = (topic: string, atUs: bigint, ...adds: number[]) => {
    for (const key of [joined('topic', topic), joined('minute', atUs - (atUs % 60_000_000n), topic)]) {
      byKey.set(
        key,
        (byKey.get(key) ?? counts.map(() => 0)).map((n, i) => n + (adds[i] ?? 0)),
      );
    }
  };
  for (const { message, atUs, ...row } of rows.values()) {
    const { content } = message;
    const topic = content.kind === 'copy' ? content.topic : '';
    if (row.kind === 'stored') add(topic, atUs, 1);
    if (row.kind === 'refused') add(topic, atUs, 0, 1, row.conflict ? 1 : 0);
    if (row.kind === 'tally' && content.kind === 'tally') {
      for (const group of content.groups) add(group.topic, atUs, 0, group.eventIds.length);
    }
    if (row.kind === 'dead') {
      add(topic, atUs, 0, 0, 0, 1);
      if (row.letter.redriven) add(topic, row.letter.redriven.atUs, 0, 0, 0, 0, 1);
    }
  }
  return [...byKey].map(([key, numbers]) => joined(key, ...numbers));
}
