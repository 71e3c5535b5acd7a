import { objectOf, reference, type Schema } from './parts.js';

const text: Schema = { type: 'string' };
const count: Schema = { type: 'integer', minimum: 0 };
const instant: Schema = { type: 'string', format: 'date-time' };
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const position: Schema = { type: 'string', pattern: '^[0-9]+$', description: 'A place in the order of all copies.' };
const listOf = (items: Schema, description = ''): Schema => ({
  type: 'array',
  items,
  ...(description !== '' && { description }),
});
const nextCursor: Schema = { type: ['string', 'null'], pattern: '^[A-Za-z0-9_-]+$', description: 'null at the end.' };
const topicAsked: Schema = { ...text, description: 'The filter, if one was given.' };

const copies = {
  received: { ...count, description: 'unique_processed + duplicate_dropped + dead_lettered − redriven.' },
  unique_processed: count,
  duplicate_dropped: { ...count, description: 'Conflicts are counted in.' },
  deduplication_rate: { type: 'number', minimum: 0, maximum: 100, description: 'Percent, two decimals.' },
  conflicts: count,
} satisfies Record<string, Schema>;
const settled = { ...copies, dead_lettered: count, redriven: count } satisfies Record<string, Schema>;
// Dead letters have no source that could be trusted.
const ofSource = {
  ...copies,
  received: { ...count, description: 'unique_processed + duplicate_dropped.' },
} satisfies Record<string, Schema>;

const behind: Schema = {
  ...count,
  description: 'Copies that are stored but not in these counts yet; they follow within moments.',
};
const side = { id: position, timestamp: orNull(instant), source: orNull(text), received_at: instant };
const payload: Schema = { type: ['object', 'null'], description: 'null when it is gone.' };

export const statisticsSchemas: Readonly<Record<string, Schema>> = {
  Series: objectOf(
    {
      topic: topicAsked,
      step: { enum: ['1m', '1h', '1d'] },
      from: { ...instant, description: 'Where the first step begins.' },
      to: { ...instant, description: 'Where the last step ends.' },
      points: listOf(objectOf({ begin: instant, ...settled }), 'Every step, also those in which nothing came.'),
      totals: objectOf(settled),
    },
    ['topic'],
  ),
  TopicStats: objectOf({
    count,
    topics: listOf(
      objectOf({
        topic: { ...text, description: 'Empty for dead letters of which it could not be read.' },
        ...settled,
      }),
      'By name.',
    ),
    next_cursor: nextCursor,
  }),
  SourceStats: objectOf(
    {
      topic: topicAsked,
      count,
      sources: listOf(objectOf({ source: text, ...ofSource }), 'By name.'),
      next_cursor: nextCursor,
      behind,
    },
    ['topic'],
  ),
  Duplicates: objectOf(
    {
      topic: topicAsked,
      source: topicAsked,
      sources: listOf(objectOf({ source: text, topic: text, ...ofSource }), 'Who repeats, most duplicates first.'),
      gaps: listOf(
        objectOf({ up_to_ms: count, duplicates: count }),
        'How long after the stored copy the duplicates came: each more than the one before it says, at most up_to_ms.',
      ),
      window: {
        ...orNull(
          objectOf({
            suggested: { ...text, pattern: '^[0-9]+(ms|s|m|h|d)$', description: 'As DEDUP_WINDOW takes it.' },
            covered: { type: 'number', minimum: 0, maximum: 1, description: 'The share of the duplicates within it.' },
          }),
        ),
        description: 'Within which 99 of 100 duplicates came, rounded up; null without any.',
      },
      behind,
      next_cursor: { ...nextCursor, description: 'Goes on with older conflicts; null when there are none.' },
      conflicts: listOf(reference('Conflict'), 'The latest first.'),
    },
    ['topic', 'source'],
  ),
  Conflict: objectOf({
    topic: text,
    event_id: text,
    stored: objectOf({ status: { enum: ['stored', 'expired'] }, ...side, payload }),
    refused: objectOf({ ...side, payload }),
  }),
};
