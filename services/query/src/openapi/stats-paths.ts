import { failure, internal, json, type Operation, type Paths, unavailable } from './parts.js';

const counts = {
  received: 9,
  received_count: 9,
  unique_processed: 4,
  duplicate_dropped: 5,
  deduplication_rate: 55.56,
  conflicts: 1,
  dead_lettered: 0,
  redriven: 0,
  in_flight: 0,
};
const noParameters = failure('There are no parameters here.');

function health(operationId: string): Operation {
  const parts = { postgres: true, nats: true, gateway: true, dedup_worker: true };
  return {
    operationId,
    tags: ['operations'],
    summary: 'Whether every part is well',
    responses: {
      200: {
        description: 'All parts are well.',
        content: json('Health', {
          healthy: {
            value: {
              status: 'healthy',
              ok: true,
              consumer_running: true,
              queue_size: 0,
              uptime_seconds: 3600.25,
              timestamp: '2026-11-21T11:00:00.000Z',
              parts,
            },
          },
        }),
      },
      400: noParameters,
      500: internal,
      503: { description: 'A part is down; parts says which.', content: json('Health') },
    },
  };
}

export const statsPaths: Paths = {
  '/stats': {
    get: {
      operationId: 'getStats',
      tags: ['counts'],
      summary: 'Every count, in one snapshot',
      description:
        'At any moment: received + redriven = unique_processed + duplicate_dropped + dead_lettered + in_flight. Since ' +
        'the last reset; lifetime holds the same without resets.',
      responses: {
        200: {
          description: 'The counts.',
          content: json('Stats', {
            counts: {
              value: {
                ...counts,
                queue_size: 0,
                topics: ['orders'],
                uptime: 3600.25,
                uptime_seconds: 3600.25,
                uptime_human: '1h 0m 0s',
                since: '2026-11-21T10:00:00Z',
                lifetime: counts,
              },
            },
          }),
        },
        400: noParameters,
        500: internal,
        503: unavailable,
      },
    },
  },
  '/stats/reset': {
    post: {
      operationId: 'resetStats',
      tags: ['counts'],
      summary: 'Begin the counts anew',
      description: 'The present counts become a baseline that /stats subtracts. Nothing is deleted.',
      responses: {
        200: {
          description: 'Since when it counts now.',
          content: json('Reset', {
            reset: { value: { since: '2026-11-21T11:00:00Z', message: 'The counts begin anew; nothing was deleted' } },
          }),
        },
        400: noParameters,
        500: internal,
        503: unavailable,
      },
    },
  },
  '/stats/reconcile': {
    get: {
      operationId: 'reconcile',
      tags: ['counts'],
      summary: 'Hold counters, rows and broker against each other',
      responses: {
        200: {
          description: 'ok, or what does not add up.',
          content: json('Reconciliation', {
            agreed: {
              value: {
                ok: true,
                differences: [],
                counters: counts,
                rows: counts,
                watermark: '9',
                last_position: '9',
                broker_checked: true,
              },
            },
          }),
        },
        400: noParameters,
        500: internal,
        503: unavailable,
      },
    },
  },
  '/health': { get: health('getHealth') },
  '/': { get: health('getRoot') },
  '/metrics': {
    get: {
      operationId: 'getMetrics',
      tags: ['operations'],
      summary: 'Metrics for Prometheus',
      responses: {
        200: { description: 'The text format.', content: { 'text/plain': { schema: { type: 'string' } } } },
        500: internal,
      },
    },
  },
};
