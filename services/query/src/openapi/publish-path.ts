import { aCloudEvent, cloudEventHeaders, cloudEvents } from './cloud-events.js';
import { type Examples, failure, internal, json, overloaded, type Paths, unavailable } from './parts.js';

const order = {
  topic: 'orders',
  event_id: 'o-1001',
  timestamp: '2026-11-21T10:00:00Z',
  source: 'shop',
  payload: { total: 12.5, currency: 'EUR' },
};
const another = { ...order, event_id: 'o-1002', timestamp: '2026-11-21T10:00:01Z' };

const answer = (received: number, duplicates: number, rest: { inserted: number; conflicts?: number }) => ({
  received,
  accepted: received - duplicates,
  inserted: rest.inserted,
  duplicates,
  conflicts: rest.conflicts ?? 0,
  rejected: 0,
  message: `Received ${received} events, accepted ${received - duplicates}, rejected ${duplicates} duplicates`,
});
const firstSeen = { first_seen_at: '2026-11-21T10:00:00.412Z' };
const result = (
  event: { readonly topic: string; readonly event_id: string },
  outcome: string,
  position: string,
  more: object = {},
) => ({
  topic: event.topic,
  event_id: event.event_id,
  outcome,
  position,
  ...more,
});

// An example of a request and that of an answer belong together when they have the same name. In this order.
const requests: Examples = {
  new: { summary: 'One event', value: order },
  repeated: { summary: 'The same once more', value: order },
  other_payload: { summary: 'The same id with another payload', value: { ...order, payload: { total: 13 } } },
  batch: { summary: 'A batch', value: { events: [order, another] } },
  array: { summary: 'A batch as an array', value: [another, another] },
  broker: { summary: 'Without waiting for Postgres', value: { ...order, event_id: 'o-1003' } },
  partial: {
    summary: 'Each event with its own verdict',
    value: [{ ...order, event_id: 'o-1004' }, { topic: 'orders' }],
  },
  bad: { summary: 'An event without a source', value: [order, { ...another, source: '' }] },
};

const lines = [order, { ...another, id: '5', received_at: '2026-11-21T10:00:01.412Z' }]
  .map((event) => `${JSON.stringify(event)}\n`)
  .join('');
const anotherCloudEvent = { ...aCloudEvent, id: 'A234-1234-0002' };
const shopOrder = { topic: 'com.example.order', event_id: '/shop A234-1234-0001' };
const anotherShopOrder = { ...shopOrder, event_id: '/shop A234-1234-0002' };
const greeting = { topic: 'com.example.greeting', event_id: '/shop A234-1234-1234' };

export const publishPath: Paths = {
  '/publish': {
    post: {
      operationId: 'publish',
      tags: ['events'],
      summary: 'Publish one event or a batch',
      description:
        'An object is one event; an array, or {"events": […]}, is a batch, also of one. The body may be gzip. One bad ' +
        'event refuses the whole request and nothing is published, unless allow_partial. 201, 200, 202, 409 and 422 are ' +
        'final; after 429 and 503 send the same events again. Lines are a batch of one event each, as an export has ' +
        'them. CloudEvents 1.0 come in structured, batched and binary mode: type is the topic, source with a space and ' +
        'id is the event_id, time the timestamp, and everything else the payload.',
      parameters: [
        {
          name: 'wait',
          in: 'query',
          description: 'stored: committed in Postgres, with the final verdict. broker: durable in JetStream.',
          schema: { enum: ['stored', 'broker'], default: 'stored' },
          examples: { broker: { value: 'broker' } },
        },
        {
          name: 'allow_partial',
          in: 'query',
          description: 'In a batch, each event has its own verdict.',
          schema: { enum: ['true', 'false'], default: 'false' },
          examples: { partial: { value: 'true' } },
        },
        {
          name: 'traceparent',
          in: 'header',
          description: 'W3C Trace Context: travels with the events, and stands in the log lines about them.',
          schema: { type: 'string' },
        },
        ...cloudEventHeaders,
      ],
      requestBody: {
        required: true,
        description: 'At most MAX_EVENTS_PER_REQUEST events and MAX_REQUEST_BYTES.',
        content: {
          ...json('PublishBody', requests),
          'application/x-ndjson': {
            schema: {
              type: 'string',
              description: 'An event a line. Empty lines, and id and received_at, are passed over.',
            },
            examples: { lines: { summary: 'Lines, as an export has them', value: lines } },
          },
          ...cloudEvents('CloudEvent', { structured: { summary: 'One CloudEvent', value: aCloudEvent } }),
          ...cloudEvents('CloudEvents', {
            batched: { summary: 'CloudEvents', value: [aCloudEvent, anotherCloudEvent] },
          }),
          'text/plain': {
            schema: { type: 'string', description: 'Of any type: the data of a CloudEvent in binary mode.' },
            examples: { binary: { summary: 'Data of a CloudEvent', value: 'Hello' } },
          },
        },
      },
      responses: {
        200: {
          description: 'One event: a duplicate (409 when DUPLICATE_STATUS=409). A batch: every verdict is in it.',
          content: json('PublishAnswer', {
            repeated: {
              value: { ...answer(1, 1, { inserted: 0 }), results: [result(order, 'duplicate', '2', firstSeen)] },
            },
            batch: {
              value: {
                ...answer(2, 1, { inserted: 1 }),
                results: [result(order, 'duplicate', '4', firstSeen), result(another, 'stored', '5')],
              },
            },
            array: {
              value: {
                ...answer(2, 2, { inserted: 0 }),
                results: [result(another, 'duplicate', '6', firstSeen), result(another, 'duplicate', '7', firstSeen)],
              },
            },
            lines: {
              value: {
                ...answer(2, 2, { inserted: 0 }),
                results: [result(order, 'duplicate', '10', firstSeen), result(another, 'duplicate', '11', firstSeen)],
              },
            },
            batched: {
              value: {
                ...answer(2, 1, { inserted: 1 }),
                results: [result(shopOrder, 'duplicate', '13', firstSeen), result(anotherShopOrder, 'stored', '14')],
              },
            },
            partial: {
              value: {
                ...answer(2, 0, { inserted: 1 }),
                accepted: 1,
                rejected: 1,
                message: 'Received 2 events, accepted 1, rejected 0 duplicates',
                results: [
                  result({ ...order, event_id: 'o-1004' }, 'stored', '9'),
                  {
                    topic: 'orders',
                    event_id: '',
                    outcome: 'rejected',
                    error: { code: 'invalid_argument', message: 'is missing', field: 'event_id' },
                  },
                ],
              },
            },
          }),
        },
        201: {
          description: 'One event: stored.',
          content: json('PublishAnswer', {
            new: { value: { ...answer(1, 0, { inserted: 1 }), results: [result(order, 'stored', '1')] } },
            structured: { value: { ...answer(1, 0, { inserted: 1 }), results: [result(shopOrder, 'stored', '12')] } },
            binary: { value: { ...answer(1, 0, { inserted: 1 }), results: [result(greeting, 'stored', '15')] } },
          }),
        },
        202: {
          description: 'wait=broker, or a verdict that was not known in time: durable in the broker.',
          content: json('PublishAnswer', {
            broker: {
              value: {
                ...answer(1, 0, { inserted: 0 }),
                results: [{ topic: 'orders', event_id: 'o-1003', outcome: 'accepted', position: '8' }],
              },
            },
          }),
        },
        400: failure('Nothing was published; index and field say why.', {
          bad: {
            value: {
              error: {
                code: 'invalid_argument',
                message: 'events[1].source: is required and must not be empty',
                fields: [{ index: 1, field: 'source', message: 'is required and must not be empty' }],
              },
            },
          },
        }),
        408: failure('The request did not come in time.'),
        409: {
          description: 'One event: a conflict. Its id is stored with another payload or source, and stays as it is.',
          content: json('PublishAnswer', {
            other_payload: {
              value: {
                ...answer(1, 1, { inserted: 0, conflicts: 1 }),
                results: [result(order, 'conflict', '3', firstSeen)],
              },
            },
          }),
        },
        413: failure('Too many events or bytes; nothing was published.'),
        415: failure('The body is of none of these types, or of another encoding than gzip.'),
        422: { description: 'One event: kept among the dead letters.', content: json('PublishAnswer') },
        429: overloaded,
        500: internal,
        503: unavailable,
      },
    },
  },
};
