import type { FoundEvent } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { eventJson } from '../output/event-json.js';
import { fieldLines } from '../output/fields.js';
import { printable } from '../output/text-width.js';

interface Name {
  readonly topic: string;
  readonly eventId: string;
}

export const get = defineCommand({
  name: 'get',
  summary: 'tell what became of one event',
  about: `stored: here it is. expired: it was stored once, and its payload is gone. dead_lettered: it is among the dead letters.
pending: not stored, but not everything that the broker holds is stored yet. The exit code is 1 when it was never seen.`,
  positionals: [
    { name: 'topic', meaning: 'its topic' },
    { name: 'event-id', meaning: 'its id; behind a -- when it begins with a dash' },
  ],
  flags: [jsonFlag, ...connectionFlags],
  examples: ['eventsieve get orders o-1001', 'eventsieve get orders o-1001 --json | jq .payload'],
  run(given, context) {
    const name = { topic: given.positional('topic') ?? '', eventId: given.positional('event-id') ?? '' };
    return withClient(given, context, async (client) => {
      const found = await client.get(name.topic, name.eventId, { signal: context.interrupted });
      if (given.isOn('json')) context.say(foundJson(name, found));
      else if (found !== undefined) for (const line of foundLines(name, found)) context.say(line);
      if (found !== undefined) return exitCodes.done;
      context.complain(`${printable(name.topic)} ${printable(name.eventId)} was never seen.`);
      return exitCodes.failed;
    });
  },
});

function foundJson({ topic, eventId }: Name, found: FoundEvent | undefined): string {
  if (found?.status === 'stored') return eventJson(found.event, { status: found.status });
  const { status } = found ?? { status: 'never_seen' };
  if (found?.status !== 'expired') return JSON.stringify({ status, topic, event_id: eventId });
  const { position, receivedAt } = found;
  return JSON.stringify({ status, id: String(position), topic, event_id: eventId, received_at: receivedAt });
}

function foundLines({ topic, eventId }: Name, found: FoundEvent): string[] {
  const head = `${printable(topic)} ${printable(eventId)}: ${found.status}`;
  if (found.status === 'stored') {
    const { position, source, timestamp, receivedAt, payloadJson } = found.event;
    const fields = { position, source, timestamp, 'received at': receivedAt, payload: payloadJson };
    return [head, ...fieldLines(fields)];
  }
  if (found.status !== 'expired') return [head];
  return [head, ...fieldLines({ position: found.position, 'received at': found.receivedAt })];
}
