import { objectOf, reference, type Schema } from './parts.js';

const text: Schema = { type: 'string' };
const textOrNull: Schema = { type: ['string', 'null'], description: 'null when it could not be read.' };
const count: Schema = { type: 'integer', minimum: 0 };
const instant: Schema = { type: 'string', format: 'date-time' };
const id: Schema = { type: 'string', pattern: '^[0-9]+$', description: 'The position of the copy.' };
const idOrNull: Schema = { type: ['string', 'null'], pattern: '^[0-9]+$' };
const outcomes = ['accepted', 'stored', 'duplicate', 'conflict', 'dead_lettered', null];

const listed = {
  id,
  topic: textOrNull,
  event_id: textOrNull,
  subject: { ...text, description: 'What the message was published to.' },
  code: { ...text, description: "The SQLSTATE of Postgres' refusal, or UNDECODABLE." },
  reason: text,
  attempts: { ...count, description: 'How often the broker had handed it out.' },
  received_at: instant,
  dead_lettered_at: instant,
  state: { enum: ['open', 'redriven', 'discarded'] },
  state_since: { type: ['string', 'null'], format: 'date-time', description: 'null while open.' },
  redriven_as: { ...idOrNull, description: 'The position of the message that sent it through again.' },
  redrive_outcome: { enum: outcomes, description: 'What became of that.' },
  redrive_of: { ...idOrNull, description: 'The dead letter that this one was sent through again for.' },
  body_bytes: count,
} satisfies Record<string, Schema>;

const filter = objectOf(
  {
    topic: { ...text, minLength: 1, maxLength: 255 },
    event_id: { ...text, minLength: 1, maxLength: 255 },
    code: { ...text, minLength: 1, maxLength: 255 },
    from: { ...instant, description: 'Dead-lettered at this moment or later.' },
    to: { ...instant, description: 'Dead-lettered before this moment.' },
  },
  ['topic', 'event_id', 'code', 'from', 'to'],
);
const bounds = {
  limit: { type: 'integer', minimum: 1, maximum: 1000, default: 1000, description: 'At most so many, oldest first.' },
  dry_run: { type: 'boolean', default: false, description: 'Only say what would be done.' },
} satisfies Record<string, Schema>;
const optional = ['limit', 'dry_run'];
const ids: Schema = {
  type: 'array',
  minItems: 1,
  maxItems: 1000,
  items: { type: ['string', 'integer'], pattern: '^[1-9][0-9]{0,18}$', minimum: 1 },
};

export const deadLetterSchemas: Readonly<Record<string, Schema>> = {
  ListedDeadLetter: objectOf(listed),
  DeadLetterList: objectOf({
    count,
    dead_letters: { type: 'array', items: reference('ListedDeadLetter') },
    next_cursor: { type: ['string', 'null'], pattern: '^[A-Za-z0-9_-]+$', description: 'null at the end.' },
  }),
  DeadLetter: objectOf({
    ...listed,
    headers: { type: 'object', additionalProperties: { type: 'array', items: text } },
    body_base64: text,
    copy: {
      description: 'What could be read of the bytes, for people; null when nothing could.',
      anyOf: [{ type: 'null' }, objectOf({ source: text, timestamp: text, payload_text: text })],
    },
  }),
  DeadLetterChoice: {
    description: 'Either ids or a filter; {} as the filter means all that are open.',
    oneOf: [objectOf({ ids, ...bounds }, optional), objectOf({ filter, ...bounds }, optional)],
  },
  RedriveAnswer: objectOf({
    matched: { ...count, description: 'How many can be redriven; those beyond limit are left for another call.' },
    sent: { ...count, description: 'How many were sent to the broker.' },
    results: {
      type: 'array',
      items: objectOf({
        id,
        outcome: { enum: outcomes, description: 'accepted: not known yet; null: not sent.' },
        redriven_as: idOrNull,
        error: {
          description: 'Why it was not sent, or why it was dead-lettered again.',
          anyOf: [{ type: 'null' }, objectOf({ code: text, message: text })],
        },
      }),
    },
  }),
  DiscardAnswer: objectOf({
    matched: { ...count, description: 'How many are open; those beyond limit are left for another call.' },
    discarded: { ...count, description: '0 for a dry run.' },
    ids: { type: 'array', items: id },
  }),
};
