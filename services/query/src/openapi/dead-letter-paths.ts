import { namesFor } from '@eventsieve/contract/names';
import {
  type Examples,
  failure,
  internal,
  type Json,
  json,
  type Operation,
  type Parameter,
  type Paths,
  reference,
  refused,
  unavailable,
} from './parts.js';

const letter = {
  id: '1',
  topic: null,
  event_id: null,
  subject: `${namesFor().eventSubjectPrefix}orders`,
  code: 'UNDECODABLE',
  reason: 'no message of this system: RangeError: index out of range: 3 + 10 > 3',
  attempts: 1,
  received_at: '2026-11-21T10:00:00.412Z',
  dead_lettered_at: '2026-11-21T10:00:00.419Z',
  state: 'open',
  state_since: null,
  redriven_as: null,
  redrive_outcome: null,
  redrive_of: null,
  body_bytes: 3,
} satisfies Json;

const text = { type: 'string', minLength: 1, maxLength: 255 };
const filter = (name: string, description: string, examples?: Examples): Parameter => ({
  name,
  in: 'query',
  description,
  schema: text,
  ...(examples && { examples }),
});
const instant = (name: string, description: string, examples?: Examples): Parameter => ({
  ...filter(name, description, examples),
  schema: { type: 'string', format: 'date-time' },
});

const parameters: readonly Parameter[] = [
  filter('topic', 'Only this topic, exactly.', { nothing: { value: 'orders' } }),
  filter('event_id', 'Only this event_id, exactly.', { nothing: { value: 'o-1001' } }),
  filter('code', 'A SQLSTATE, or UNDECODABLE.', { by_code: { value: 'UNDECODABLE' } }),
  {
    name: 'state',
    in: 'query',
    description: 'Only these; any without it.',
    schema: { enum: ['open', 'redriven', 'discarded'] },
    examples: { by_code: { value: 'open' }, no_state: { value: 'lost' } },
  },
  instant('from', 'Dead-lettered at this moment or later.', { by_code: { value: '2026-11-21T00:00:00Z' } }),
  instant('to', 'Dead-lettered before this moment.', { nothing: { value: '2026-11-21T00:00:00Z' } }),
  {
    name: 'order',
    in: 'query',
    description: 'By position. asc: oldest first.',
    schema: { enum: ['asc', 'desc'], default: 'asc' },
    examples: { by_code: { value: 'desc' } },
  },
  {
    name: 'limit',
    in: 'query',
    description: 'How many, at most. A page whose texts are very long may hold fewer.',
    schema: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
    examples: { by_code: { value: 10 } },
  },
  {
    name: 'cursor',
    in: 'query',
    description: 'next_cursor of the list before; good for any limit, with the same order.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
    examples: { nothing: { value: 'AQAAAAAAAAAA' } },
  },
];

const neither = refused('ids', 'is missing: give ids or a filter, {} for all that are open');
const misspelt = refused('filter.topics', 'is an unknown field: known are topic, event_id, code, from, to');
const badChoices = { neither: { value: {} }, misspelt: { value: { filter: { topics: 'orders' } } } };

function choosing(operation: Omit<Operation, 'tags' | 'requestBody'>, choices: Examples): Operation {
  const examples = { ...choices, ...badChoices };
  return {
    ...operation,
    tags: ['dead letters'],
    requestBody: {
      required: true,
      description: 'Which ones.',
      content: { 'application/json': { schema: reference('DeadLetterChoice'), examples } },
    },
    responses: {
      ...operation.responses,
      400: failure('The choice is wrong; nothing was done.', { neither, misspelt }),
      413: failure('The body is too large.'),
      415: failure('The body is not application/json.'),
      500: internal,
      503: unavailable,
    },
  };
}

export const deadLetterPaths: Paths = {
  '/dead-letters': {
    get: {
      operationId: 'listDeadLetters',
      tags: ['dead letters'],
      summary: 'List messages that could not be stored',
      description: 'Without headers and bodies.',
      parameters,
      responses: {
        200: {
          description: 'Dead letters, and where to go on.',
          content: json('DeadLetterList', {
            by_code: { value: { count: 1, dead_letters: [letter], next_cursor: null } },
            nothing: { value: { count: 0, dead_letters: [], next_cursor: null } },
          }),
        },
        400: failure('A parameter is wrong or unknown.', {
          no_state: refused('state', 'must be one of open, redriven, discarded'),
        }),
        500: internal,
        503: unavailable,
      },
    },
  },
  '/dead-letters/{id}': {
    get: {
      operationId: 'getDeadLetter',
      tags: ['dead letters'],
      summary: 'One dead letter, with everything that it came with',
      parameters: [
        {
          name: 'id',
          in: 'path',
          required: true,
          description: 'As in the list.',
          schema: { type: 'string', pattern: '^[1-9][0-9]{0,18}$' },
          examples: { whole: { value: '1' }, unknown: { value: '4711' }, no_number: { value: 'first' } },
        },
      ],
      responses: {
        200: {
          description: 'The dead letter.',
          content: json('DeadLetter', {
            whole: { value: { ...letter, headers: {}, body_base64: 'Cv//', copy: null } },
          }),
        },
        400: failure('The id is no number.', { no_number: refused('id', 'must be a whole number from 1') }),
        404: failure('There is none.', {
          unknown: {
            value: { error: { code: 'not_found', message: 'there is no dead letter of this position', fields: [] } },
          },
        }),
        500: internal,
        503: unavailable,
      },
    },
  },
  '/dead-letters/redrive': {
    post: choosing(
      {
        operationId: 'redriveDeadLetters',
        summary: 'Send dead letters through again',
        description:
          'Open ones by filter; open or discarded ones by id. Asking twice is safe: each counts once. The answer waits ' +
          'up to STORED_TIMEOUT for what becomes of them.',
        responses: {
          200: {
            description: 'What became of each.',
            content: json('RedriveAnswer', {
              look_first: {
                value: {
                  matched: 1,
                  sent: 0,
                  results: [{ id: '1', outcome: null, redriven_as: null, error: null }],
                },
              },
              by_id: {
                value: {
                  matched: 1,
                  sent: 1,
                  results: [
                    {
                      id: '1',
                      outcome: 'dead_lettered',
                      redriven_as: '8',
                      error: { code: 'UNDECODABLE', message: letter.reason },
                    },
                  ],
                },
              },
              by_filter: { value: { matched: 0, sent: 0, results: [] } },
            }),
          },
        },
      },
      {
        look_first: { value: { filter: {}, dry_run: true } },
        by_id: { value: { ids: ['1'] } },
        by_filter: { value: { filter: { topic: 'orders', code: '22P05', from: '2026-11-21T00:00:00Z' }, limit: 100 } },
      },
    ),
  },
  '/dead-letters/discard': {
    post: choosing(
      {
        operationId: 'discardDeadLetters',
        summary: 'Give dead letters up',
        description:
          'Only open ones. Nothing is deleted and no count changes; they can still be read, and redriven by id.',
        responses: {
          200: {
            description: 'Which ones.',
            content: json('DiscardAnswer', {
              look_first: { value: { matched: 1, discarded: 0, ids: ['8'] } },
              by_id: { value: { matched: 0, discarded: 0, ids: [] } },
              by_filter: { value: { matched: 1, discarded: 1, ids: ['8'] } },
            }),
          },
        },
      },
      {
        look_first: { value: { filter: { code: 'UNDECODABLE' }, dry_run: true } },
        by_id: { value: { ids: ['1'], limit: 1 } },
        by_filter: { value: { filter: { code: 'UNDECODABLE' } } },
      },
    ),
  },
};
