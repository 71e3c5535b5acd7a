import {
  failure,
  internal,
  overloaded,
  type Parameter,
  type Paths,
  refused,
  type Schema,
  unavailable,
} from './parts.js';

const text: Schema = { type: 'string', minLength: 1, maxLength: 255 };
const instant: Schema = { type: 'string', format: 'date-time' };

const parameter = (
  name: string,
  description: string,
  schema: Schema,
  examples: Parameter['examples'] = {},
): Parameter => ({ name, in: 'query', description, schema, examples });

const parameters: readonly Parameter[] = [
  parameter(
    'from',
    'now (default): what is stored from now on. start: the first event that is kept. A time: what was received then or later.',
    { anyOf: [{ enum: ['now', 'start'] }, instant] },
    { when: { value: 'yesterday' }, both: { value: 'start' } },
  ),
  parameter(
    'cursor',
    'After this event: an id of this stream, or next_cursor of a list. Not beside from.',
    { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
    { both: { value: 'AQAAAAAAAAAA' } },
  ),
  parameter('topic', 'Only this topic. A pattern when a whole dotted segment is * or the last is >.', text),
  parameter('topic_exact', 'Only this topic, whatever is in it. Not beside topic.', text),
  parameter('source', 'Only this source, exactly.', text),
  parameter('event_id', 'Only this id, exactly.', text),
  parameter('received_from', 'Received at or after this time.', instant),
  parameter('received_to', 'Received before this time.', instant),
  parameter('event_from', 'Happened, as the event says, at or after this time: from of /events.', instant),
  parameter('event_to', 'Happened before this time: to of /events.', instant),
  parameter(
    'payload',
    'A JSON object; only events whose payload contains it.',
    { type: 'string', minLength: 2 },
    { no_object: { value: '[]' } },
  ),
];

export const streamPath: Paths = {
  '/events/stream': {
    get: {
      operationId: 'followEvents',
      tags: ['events'],
      summary: 'Follow stored events',
      description:
        'Server-sent events: every stored event once, in order, without a gap. id is a cursor, data is one line with the ' +
        'object of /events. A message without data comes at once, and every 15 seconds when nothing else does: it moves ' +
        'the id on. To go on after a break, send the last id in the header Last-Event-ID (as an EventSource does by ' +
        'itself; it wins over from and cursor). Who takes nothing for TAIL_PATIENCE is sent event: error with the usual ' +
        'error in data and the cursor to go on from in id. The stream ends without a word when the service stops.',
      parameters,
      responses: {
        200: {
          description: 'Events, until somebody ends it.',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        400: failure('A parameter is wrong or unknown.', {
          when: refused(
            'from',
            'must be start, now, or an ISO 8601 date and time from year 1 to 9999, such as 2024-05-01T12:00:00Z',
          ),
          both: refused('cursor', 'must not be given beside from'),
          no_object: refused('payload', 'must be a JSON object'),
        }),
        429: overloaded,
        500: internal,
        503: unavailable,
      },
    },
  },
};
