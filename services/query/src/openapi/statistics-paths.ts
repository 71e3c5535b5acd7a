import {
  type Examples,
  failure,
  internal,
  type Json,
  json,
  type Parameter,
  type Paths,
  refused,
  unavailable,
} from './parts.js';

const text = { type: 'string', minLength: 1, maxLength: 255 };

function parameter(name: string, description: string, schema: Parameter['schema'], examples: Examples): Parameter {
  return { name, in: 'query', description, schema, examples };
}

const topic = (examples: Examples) => parameter('topic', 'Only of this topic, exactly.', text, examples);
const limit = (description: string, examples: Examples) =>
  parameter('limit', description, { type: 'integer', minimum: 1, maximum: 1000, default: 100 }, examples);
const cursor = (description: string, examples: Examples) =>
  parameter('cursor', description, { type: 'string', pattern: '^[A-Za-z0-9_-]+$' }, examples);

const copies = {
  received: 5,
  unique_processed: 2,
  duplicate_dropped: 3,
  deduplication_rate: 60,
  conflicts: 1,
} satisfies Json;
const settled = { ...copies, dead_lettered: 0, redriven: 0 } satisfies Json;
const nothing = {
  received: 0,
  unique_processed: 0,
  duplicate_dropped: 0,
  deduplication_rate: 0,
  conflicts: 0,
  dead_lettered: 0,
  redriven: 0,
} satisfies Json;

const wrongLimit = refused('limit', 'must be a whole number from 1 to 1000');
const failures = (examples: Examples) => ({
  400: failure('A parameter is wrong or unknown.', examples),
  500: internal,
  503: unavailable,
});

export const statisticsPaths: Paths = {
  '/stats/series': {
    get: {
      operationId: 'getStatsSeries',
      tags: ['counts'],
      summary: 'The counts over time',
      description:
        'By when the broker took the copies, in steps of UTC, at most 10000 of them. Every step is there of which a part ' +
        'lies within the bounds.',
      parameters: [
        topic({ hourly: { value: 'orders' } }),
        parameter(
          'from',
          'Without it, 60 steps.',
          { type: 'string', format: 'date-time' },
          { hourly: { value: '2026-11-21T09:00:00Z' }, too_many: { value: '2026-01-01T00:00:00Z' } },
        ),
        parameter(
          'to',
          'Before this moment; without it, now.',
          { type: 'string', format: 'date-time' },
          { hourly: { value: '2026-11-21T11:00:00Z' }, too_many: { value: '2026-02-01T00:00:00Z' } },
        ),
        parameter(
          'step',
          'How long each of them is.',
          { enum: ['1m', '1h', '1d'], default: '1m' },
          { hourly: { value: '1h' }, no_step: { value: '1w' } },
        ),
      ],
      responses: {
        200: {
          description: 'A point for each step, and their sums.',
          content: json('Series', {
            hourly: {
              value: {
                topic: 'orders',
                step: '1h',
                from: '2026-11-21T09:00:00Z',
                to: '2026-11-21T11:00:00Z',
                points: [
                  { begin: '2026-11-21T09:00:00Z', ...nothing },
                  { begin: '2026-11-21T10:00:00Z', ...settled },
                ],
                totals: settled,
              },
            },
          }),
        },
        ...failures({
          no_step: refused('step', 'must be one of 1m, 1h, 1d'),
          too_many: refused('from', 'would give 44640 points, more than 10000: take a later one, or a longer step'),
        }),
      },
    },
  },
  '/stats/topics': {
    get: {
      operationId: 'listTopicStats',
      tags: ['counts'],
      summary: 'The counts of each topic',
      parameters: [
        limit('How many topics, at most.', { first: { value: 1 }, no_limit: { value: 0 } }),
        cursor('next_cursor of the list before; good for any limit.', { further: { value: 'Am9yZGVycw' } }),
      ],
      responses: {
        200: {
          description: 'By name, without resets.',
          content: json('TopicStats', {
            first: { value: { count: 1, topics: [{ topic: 'orders', ...settled }], next_cursor: 'Am9yZGVycw' } },
            further: { value: { count: 0, topics: [], next_cursor: null } },
          }),
        },
        ...failures({ no_limit: wrongLimit }),
      },
    },
  },
  '/stats/sources': {
    get: {
      operationId: 'listSourceStats',
      tags: ['counts'],
      summary: 'The counts of each source',
      description: 'A moment behind what is stored; behind says by how many copies.',
      parameters: [
        topic({ of_topic: { value: 'orders' } }),
        limit('How many sources, at most.', { of_topic: { value: 10 }, no_limit: { value: 0 } }),
        cursor('next_cursor of the list before; good for any limit.', { further: { value: 'AnNob3A' } }),
      ],
      responses: {
        200: {
          description: 'By name, without resets.',
          content: json('SourceStats', {
            of_topic: {
              value: {
                topic: 'orders',
                count: 1,
                sources: [{ source: 'shop', ...copies }],
                next_cursor: null,
                behind: 0,
              },
            },
            further: { value: { count: 0, sources: [], next_cursor: null, behind: 0 } },
          }),
        },
        ...failures({ no_limit: wrongLimit }),
      },
    },
  },
  '/duplicates': {
    get: {
      operationId: 'listDuplicates',
      tags: ['counts'],
      summary: 'Who repeats, how often and after how long; conflicts beside what is stored',
      description:
        'Sources and gaps are counted a moment after the copies are stored; behind says how many are to come. Conflicts ' +
        'are there at once. With a filter a page may hold few conflicts or none and go on all the same.',
      parameters: [
        topic({ of_topic: { value: 'orders' } }),
        parameter('source', 'Only copies from this source, exactly.', text, { nobody: { value: 'nobody' } }),
        limit('How many sources and how many conflicts, at most. Large payloads make a page shorter.', {
          of_topic: { value: 10 },
          no_limit: { value: 0 },
        }),
        cursor('next_cursor of the answer before: goes on with older conflicts.', {
          nobody: { value: 'AQAAAAAAAAAB' },
        }),
      ],
      responses: {
        200: {
          description: 'The sources, the gaps, the window that they suggest, and conflicts.',
          content: json('Duplicates', {
            of_topic: {
              value: {
                topic: 'orders',
                sources: [{ source: 'shop', topic: 'orders', ...copies }],
                gaps: [
                  { up_to_ms: 1, duplicates: 1 },
                  { up_to_ms: 65536, duplicates: 2 },
                ],
                window: { suggested: '2m', covered: 1 },
                behind: 0,
                next_cursor: null,
                conflicts: [
                  {
                    topic: 'orders',
                    event_id: 'o-1001',
                    stored: {
                      status: 'stored',
                      id: '1',
                      timestamp: '2026-11-21T10:00:00Z',
                      source: 'shop',
                      received_at: '2026-11-21T10:00:00.412Z',
                      payload: { total: 12.5, currency: 'EUR' },
                    },
                    refused: {
                      id: '4',
                      timestamp: '2026-11-21T10:01:00Z',
                      source: 'shop',
                      received_at: '2026-11-21T10:01:00.387Z',
                      payload: { total: 13, currency: 'EUR' },
                    },
                  },
                ],
              },
            },
            nobody: {
              value: {
                source: 'nobody',
                sources: [],
                gaps: [],
                window: null,
                behind: 0,
                next_cursor: null,
                conflicts: [],
              },
            },
          }),
        },
        ...failures({ no_limit: wrongLimit }),
      },
    },
  },
};
