import { failure, internal, json, type Operation, type Parameter, type Paths, refused, unavailable } from './parts.js';

const text = { type: 'string', maxLength: 255 };
const inPath = (name: string, examples: Parameter['examples']): Parameter => ({
  name,
  in: 'path',
  required: true,
  description: 'URL-encoded.',
  schema: text,
  ...(examples && { examples }),
});

const notFound = (message: string) => ({ value: { error: { code: 'not_found', message, fields: [] } } });

function erasing(
  operation: Pick<Operation, 'operationId' | 'summary' | 'description' | 'parameters'>,
  unknown: string,
) {
  return {
    ...operation,
    tags: ['events'],
    responses: {
      200: {
        description: 'How many events lost their content; 0 when it was gone before. With more, ask again.',
        content: json('Erased', { erase: { value: { erased: 1, more: false } } }),
      },
      400: failure('The topic or the id cannot be one.', { nul: refused('topic', 'contains a NUL character') }),
      404: failure('There is nothing of it.', { never_seen: notFound(unknown) }),
      500: internal,
      503: unavailable,
    },
  } satisfies Operation;
}

export const eraseEvent = erasing(
  {
    operationId: 'eraseEvent',
    summary: 'Erase what one event carried',
    description:
      'Payload, source and timestamp go for good, and those of refused copies with another payload or source. Its key and ' +
      'all counts stay: the event is expired, and a repeat of it still a duplicate.',
    parameters: [
      inPath('topic', { erase: { value: 'orders' }, never_seen: { value: 'orders' }, nul: { value: 'a\0' } }),
      inPath('event_id', { erase: { value: 'o-1003' }, never_seen: { value: 'o-0' }, nul: { value: 'o-1001' } }),
    ],
  },
  'this event was never seen',
);

/** The last of all paths: its example leaves nothing to read of the topic that the others are about. */
export const eraseTopicPath: Paths = {
  '/events/{topic}': {
    delete: erasing(
      {
        operationId: 'eraseTopic',
        summary: 'Erase what the events of one topic carried',
        description:
          'Of this topic, exactly, whatever is in its name; all events that are stored by now. Topics named stream and ' +
          'export are paths of their own here: erase them by gRPC.',
        parameters: [
          inPath('topic', { erase: { value: 'orders' }, never_seen: { value: 'no-such' }, nul: { value: 'a\0' } }),
        ],
      },
      'nothing of this topic is stored',
    ),
  },
};
