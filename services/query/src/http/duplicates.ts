import type { StoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import type { Conflict, RepeatingSource } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { windowText } from '../duplicates/gap-window.js';
import { formatInstant } from '../instant.js';
import type { Queries } from '../queries.js';
import { listDuplicates } from '../rpc/list-duplicates.js';
import { readParameters, readWhole } from './parameters.js';
import { percent } from './settled-counts-json.js';

export function serveDuplicates(app: FastifyInstance, queries: Pick<Queries, 'database'>): void {
  app.get('/duplicates', async (request, reply) => {
    const given = readParameters(request, ['topic', 'source', 'limit', 'cursor']);
    const { sources, gaps, window, conflicts, nextCursor, behind } = await listDuplicates(queries, {
      topic: given.topic ?? '',
      source: given.source ?? '',
      limit: readWhole('limit', given.limit, 100, 1, 1000),
      cursor: given.cursor ?? '',
    });
    const head = JSON.stringify({
      topic: given.topic,
      source: given.source,
      sources: sources.map(sourceJson),
      gaps: gaps.map(({ upToMs, duplicates }) => ({ up_to_ms: Number(upToMs), duplicates: Number(duplicates) })),
      window: window === undefined ? null : { suggested: windowText(window), covered: window.covered },
      behind: Number(behind),
      next_cursor: nextCursor || null,
    });
    const body = `${head.slice(0, -1)},"conflicts":[${conflicts.map(conflictJson).join(',')}]}`;
    return reply.type('application/json').send(body);
  });
}

function sourceJson({ source, topic, uniqueProcessed, duplicateDropped, conflicts }: RepeatingSource) {
  const unique = Number(uniqueProcessed);
  const duplicates = Number(duplicateDropped);
  return {
    source,
    topic,
    received: unique + duplicates,
    unique_processed: unique,
    duplicate_dropped: duplicates,
    deduplication_rate: percent(duplicates, unique + duplicates),
    conflicts: Number(conflicts),
  };
}

/** Put together as text: the payloads' own texts go in as they are, and no digit of a number passes through a double. */
function conflictJson({ topic, eventId, stored, refused }: Conflict): string {
  const head = JSON.stringify({ topic, event_id: eventId });
  const status = stored?.event?.payloadJson === undefined ? 'expired' : 'stored';
  return `${head.slice(0, -1)},"stored":${sideJson(stored, { status })},"refused":${sideJson(refused)}}`;
}

/** What is gone is null. */
function sideJson(side: StoredEvent | undefined, more: Readonly<Record<string, string>> = {}): string {
  const { event, position, receivedAt } = side as StoredEvent;
  const head = JSON.stringify({
    ...more,
    id: String(position),
    timestamp: event?.timestamp ? formatInstant(event.timestamp) : null,
    source: event?.source || null,
    received_at: receivedAt && formatInstant(receivedAt),
  });
  return `${head.slice(0, -1)},"payload":${event?.payloadJson ?? 'null'}}`;
}
