import { asCloudEvent, cloudEvents } from './cloud-events.js';
import { eraseEvent } from './erase-path.js';
import { filterParametersWith } from './filter-parameters.js';
import { failure, internal, json, type Paths, refused, unavailable } from './parts.js';

const stored = {
  id: '1',
  topic: 'orders',
  event_id: 'o-1001',
  timestamp: '2026-11-21T10:00:00Z',
  source: 'shop',
  received_at: '2026-11-21T10:00:00.412Z',
  payload: { total: 12.5, currency: 'EUR' },
};

export const eventPaths: Paths = {
  '/events': {
    get: {
      operationId: 'listEvents',
      tags: ['events'],
      summary: 'List stored events',
      description:
        'In the order in which the broker took them. What a stored answer said is in the next list. Filters go in any ' +
        'mix. A search that takes too long is stopped: then stopped is true, and next_cursor is where to go on.',
      parameters: [
        ...filterParametersWith({
          topic: { by_topic: { value: 'orders' }, by_pattern: { value: 'orders.>' } },
          source: { by_topic: { value: 'shop' } },
          event_id: { by_payload: { value: 'o-1001' } },
          received_from: { by_time: { value: '2024-05-01T00:00:00Z' }, no_time: { value: 'yesterday' } },
          to: { by_time: { value: '2100-01-01T00:00:00Z' } },
          payload: { by_payload: { value: '{"currency": "EUR"}' }, no_object: { value: '[1]' } },
        }),
        {
          name: 'order',
          in: 'query',
          description: 'asc: oldest first.',
          schema: { enum: ['asc', 'desc'], default: 'asc' },
          examples: { nothing: { value: 'desc' } },
        },
        {
          name: 'limit',
          in: 'query',
          description: 'How many, at most.',
          schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
          examples: { by_topic: { value: 1 }, by_time: { value: 1 }, no_limit: { value: 0 } },
        },
        {
          name: 'cursor',
          in: 'query',
          description: 'next_cursor of the list before; good for any limit.',
          schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
          examples: { nothing: { value: 'AQAAAAAAAAAA' } },
        },
      ],
      responses: {
        200: {
          description:
            'Events, and where to go on. With Accept: application/cloudevents-batch+json they are CloudEvents, and the ' +
            'header Link says where to go on.',
          content: {
            ...json('EventList', {
              by_topic: { value: { topic: 'orders', count: 1, events: [stored], next_cursor: 'AQAAAAAAAAAB' } },
              nothing: { value: { count: 0, events: [], next_cursor: null } },
              by_pattern: { value: { topic: 'orders.>', count: 0, events: [], next_cursor: null } },
              by_payload: { value: { count: 1, events: [stored], next_cursor: null } },
              by_time: { value: { count: 1, events: [stored], next_cursor: 'AQAAAAAAAAAB' } },
            }),
            ...cloudEvents('CloudEvents', { cloud_events: { value: [asCloudEvent] } }),
          },
        },
        400: failure('A parameter is wrong or unknown.', {
          no_limit: refused('limit', 'must be a whole number from 1 to 1000'),
          no_time: refused(
            'received_from',
            'must be an ISO 8601 date and time from year 1 to 9999, such as 2024-05-01T12:00:00Z',
          ),
          no_object: refused('payload', 'must be a JSON object'),
        }),
        500: internal,
        503: unavailable,
      },
    },
  },
  '/events/{topic}/{event_id}': {
    delete: eraseEvent,
    get: {
      operationId: 'getEvent',
      tags: ['events'],
      summary: 'What became of one event',
      parameters: [
        {
          name: 'topic',
          in: 'path',
          required: true,
          description: 'URL-encoded.',
          schema: { type: 'string', maxLength: 255 },
          examples: {
            stored: { value: 'orders' },
            cloud_event: { value: 'orders' },
            never_seen: { value: 'orders' },
            nul: { value: 'a\0' },
          },
        },
        {
          name: 'event_id',
          in: 'path',
          required: true,
          description: 'URL-encoded.',
          schema: { type: 'string', maxLength: 255 },
          examples: {
            stored: { value: 'o-1001' },
            cloud_event: { value: 'o-1001' },
            never_seen: { value: 'o-0' },
            nul: { value: 'o-1001' },
          },
        },
      ],
      responses: {
        200: {
          description:
            'stored, with the event; expired: stored once, its payload is gone; dead_lettered; pending: not stored, ' +
            'but not everything that the broker holds has been stored yet. With Accept: application/cloudevents+json a ' +
            'stored one is a CloudEvent.',
          content: {
            ...json('EventState', { stored: { value: { status: 'stored', ...stored } } }),
            ...cloudEvents('CloudEvent', { cloud_event: { value: asCloudEvent } }),
          },
        },
        400: failure('The topic or the id cannot be one.', { nul: refused('topic', 'contains a NUL character') }),
        404: failure('Never seen.', {
          never_seen: { value: { error: { code: 'not_found', message: 'this event was never seen', fields: [] } } },
        }),
        500: internal,
        503: unavailable,
      },
    },
  },
};
