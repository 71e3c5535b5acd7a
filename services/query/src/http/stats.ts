import type { Counts } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { FastifyInstance } from 'fastify';
import { formatInstant } from '../instant.js';
import type { Queries } from '../queries.js';
import { getStats } from '../rpc/get-stats.js';
import { readParameters } from './parameters.js';
import { percent } from './settled-counts-json.js';

export function serveStats(app: FastifyInstance, queries: Queries): void {
  app.get('/stats', async (request) => {
    readParameters(request, []);
    const { current, lifetime, queueSize, topics, uptimeSeconds, since } = await getStats(queries);
    return {
      ...(current && countsJson(current)),
      queue_size: Number(queueSize),
      topics,
      uptime: uptimeSeconds,
      uptime_seconds: uptimeSeconds,
      uptime_human: humanDuration(uptimeSeconds),
      since: since && formatInstant(since),
      lifetime: lifetime && countsJson(lifetime),
    };
  });
}

/** Counts as JSON numbers: they stay far below 2^53. */
export function countsJson(counts: Counts) {
  const received = Number(counts.received);
  const duplicates = Number(counts.duplicateDropped);
  return {
    received,
    received_count: received,
    unique_processed: Number(counts.uniqueProcessed),
    duplicate_dropped: duplicates,
    deduplication_rate: percent(duplicates, received),
    conflicts: Number(counts.conflicts),
    dead_lettered: Number(counts.deadLettered),
    redriven: Number(counts.redriven),
    in_flight: Number(counts.inFlight),
  };
}

export function humanDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m ${whole % 60}s`;
}
