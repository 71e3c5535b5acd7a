import { objectOf, reference, type Schema } from './parts.js';

const text: Schema = { type: 'string' };
const truth: Schema = { type: 'boolean' };
const count: Schema = { type: 'integer', minimum: 0 };
const seconds: Schema = { type: 'number', minimum: 0 };
const instant: Schema = { type: 'string', format: 'date-time' };
const identifier: Schema = { type: 'string', minLength: 1, maxLength: 255, description: 'No control characters.' };
const position: Schema = { type: 'string', pattern: '^[0-9]+$', description: 'A place in the order of all copies.' };
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const payload: Schema = {
  type: 'object',
  description: 'Any JSON object. Every digit of its numbers is kept.',
};

const counts = {
  received: count,
  received_count: { ...count, description: 'The same as received.' },
  unique_processed: count,
  duplicate_dropped: { ...count, description: 'Conflicts are counted in.' },
  deduplication_rate: { type: 'number', minimum: 0, maximum: 100, description: 'Percent, two decimals.' },
  conflicts: count,
  dead_lettered: count,
  redriven: count,
  in_flight: { type: 'integer', description: 'Taken by the broker, not stored yet.' },
} satisfies Record<string, Schema>;

const storedEvent = {
  id: position,
  topic: text,
  event_id: text,
  timestamp: instant,
  source: text,
  received_at: instant,
  payload,
} satisfies Record<string, Schema>;

export const schemas: Readonly<Record<string, Schema>> = {
  Erased: objectOf({ erased: count, more: truth }),
  Event: objectOf(
    {
      topic: identifier,
      event_id: { ...identifier, description: 'Unique within its topic. No control characters.' },
      timestamp: { ...instant, description: 'ISO 8601, year 1 to 9999; without an offset it is UTC.' },
      source: identifier,
      payload,
    },
    ['payload'],
  ),
  Batch: {
    oneOf: [listOf(reference('Event')), objectOf({ events: listOf(reference('Event')) })],
  },
  PublishBody: { anyOf: [reference('Event'), reference('Batch')] },
  PublishAnswer: objectOf({
    received: count,
    accepted: { ...count, description: 'received − duplicates − rejected.' },
    inserted: { ...count, description: 'Copies that became the stored event; 0 while that is unknown.' },
    duplicates: { ...count, description: 'Conflicts are counted in.' },
    conflicts: count,
    rejected: { ...count, description: 'Only with allow_partial.' },
    message: text,
    results: { ...listOf(reference('Result')), description: 'One for each event, in the order of the request.' },
  }),
  Result: objectOf(
    {
      topic: text,
      event_id: text,
      outcome: { enum: ['accepted', 'stored', 'duplicate', 'conflict', 'rejected', 'dead_lettered'] },
      position,
      first_seen_at: { ...instant, description: 'When the stored event was received; for duplicate and conflict.' },
      error: objectOf({ code: text, message: text, field: text }),
    },
    ['position', 'first_seen_at', 'error'],
  ),
  StoredEvent: objectOf(storedEvent),
  EventList: objectOf(
    {
      topic: { ...text, description: 'The filter, if one was given.' },
      count,
      events: listOf(reference('StoredEvent')),
      next_cursor: { type: ['string', 'null'], pattern: '^[A-Za-z0-9_-]+$', description: 'null at the end.' },
      stopped: { const: true, description: 'The search took its time and was stopped; it goes on at next_cursor.' },
    },
    ['topic', 'stopped'],
  ),
  EventState: objectOf({ status: { enum: ['stored', 'expired', 'dead_lettered', 'pending'] }, ...storedEvent }, [
    'id',
    'timestamp',
    'source',
    'received_at',
    'payload',
  ]),
  Counts: objectOf(counts),
  Stats: objectOf({
    ...counts,
    queue_size: { ...count, description: 'Messages not stored yet.' },
    topics: listOf(text),
    uptime: seconds,
    uptime_seconds: seconds,
    uptime_human: { type: 'string', pattern: '^\\d+h \\d+m \\d+s$' },
    since: { ...instant, description: 'When this counting began.' },
    lifetime: reference('Counts'),
  }),
  Reset: objectOf({ since: instant, message: text }),
  Reconciliation: objectOf({
    ok: truth,
    differences: listOf(
      objectOf({
        what: text,
        expected: { type: 'integer' },
        found: { type: 'integer' },
        positions: listOf(position),
        message: text,
      }),
    ),
    counters: reference('Counts'),
    rows: reference('Counts'),
    watermark: { ...position, description: 'Every position at or below it is committed.' },
    last_position: position,
    broker_checked: { ...truth, description: 'false while NATS is away.' },
  }),
  Health: objectOf({
    status: { enum: ['healthy', 'unhealthy'] },
    ok: truth,
    consumer_running: truth,
    queue_size: { type: ['integer', 'null'] },
    uptime_seconds: seconds,
    timestamp: instant,
    parts: objectOf({ postgres: truth, nats: truth, gateway: truth, dedup_worker: truth }),
  }),
  Error: objectOf({
    error: objectOf({
      code: text,
      message: text,
      fields: listOf(
        objectOf(
          {
            index: { ...count, description: "The event's place in the request." },
            field: { ...text, description: 'Such as topic or payload.price.' },
            message: text,
          },
          ['index'],
        ),
      ),
    }),
  }),
};
