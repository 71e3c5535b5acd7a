import type { Examples, Parameter, Schema } from './parts.js';

const text: Schema = { type: 'string', minLength: 1, maxLength: 255 };
const instant: Schema = { type: 'string', format: 'date-time' };

const described: readonly (readonly [name: string, schema: Schema, description: string])[] = [
  [
    'topic',
    text,
    'Only this topic. A pattern when a whole segment between dots is * (any one segment) or the last one is > (one or ' +
      'more).',
  ],
  ['topic_exact', text, 'Only this topic, whatever is in it. Not beside topic.'],
  ['source', text, 'Only this source, exactly.'],
  ['event_id', text, 'Only this id, exactly; without a topic, of any topic.'],
  ['received_from', instant, 'Received at or after this time.'],
  ['received_to', instant, 'Received before this time.'],
  ['from', instant, 'Happened (timestamp) at or after this time.'],
  ['to', instant, 'Happened before this time.'],
  [
    'payload',
    { type: 'string', maxLength: 16_384 },
    "A JSON object, URL-encoded: only events whose payload contains it, as Postgres' @> has it.",
  ],
];

/** The filters, with examples for those that are named. */
export function filterParametersWith(examples: Readonly<Record<string, Examples>>): Parameter[] {
  return described.map(([name, schema, description]) => {
    const own = examples[name];
    return { name, in: 'query', description, schema, ...(own && { examples: own }) };
  });
}
