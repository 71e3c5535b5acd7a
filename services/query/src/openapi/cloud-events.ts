import { type Content, type Examples, type Parameter, reference, type Schema } from './parts.js';

const text: Schema = { type: 'string', minLength: 1 };

export const cloudEventSchemas: Readonly<Record<string, Schema>> = {
  CloudEvent: {
    type: 'object',
    required: ['specversion', 'id', 'source', 'type'],
    properties: {
      specversion: { const: '1.0' },
      id: { ...text, description: 'Unique within the source; with it, event_id: source, a space, id.' },
      source: { ...text, format: 'uri-reference' },
      type: { ...text, description: 'The topic.' },
      time: { type: 'string', format: 'date-time', description: 'The timestamp; without it, when it came.' },
      subject: text,
      datacontenttype: text,
      dataschema: { ...text, format: 'uri' },
      data: { description: 'Any JSON value. Every digit of its numbers is kept.' },
      data_base64: { type: 'string', contentEncoding: 'base64', description: 'Not beside data.' },
    },
    propertyNames: { pattern: '^(?:[a-z0-9]+|data_base64)$' },
    additionalProperties: { type: ['string', 'boolean', 'integer', 'null'], description: 'Attributes of extensions.' },
  },
  CloudEvents: { type: 'array', items: reference('CloudEvent') },
};

/** What a route takes or gives as CloudEvents in the JSON format. */
export const cloudEvents = (schema: 'CloudEvent' | 'CloudEvents', examples?: Examples): Record<string, Content> => ({
  [`application/cloudevents${schema === 'CloudEvents' ? '-batch' : ''}+json`]: {
    schema: reference(schema),
    ...(examples && { examples }),
  },
});

const header = (name: string, description: string, value: string): Parameter => ({
  name: `ce-${name}`,
  in: 'header',
  description,
  schema: { type: 'string' },
  examples: { binary: { value } },
});

/** Those of the binary mode. */
export const cloudEventHeaders: readonly Parameter[] = [
  header(
    'specversion',
    'With it the body is the data of one CloudEvent (binary mode), and the ce- headers are.',
    '1.0',
  ),
  header('id', 'Unique within the source. Headers are percent-encoded.', 'A234-1234-1234'),
  header('source', 'A URI-reference.', '/shop'),
  header('type', 'The topic.', 'com.example.greeting'),
];

export const aCloudEvent = {
  specversion: '1.0',
  id: 'A234-1234-0001',
  source: '/shop',
  type: 'com.example.order',
  time: '2026-11-21T10:00:00Z',
  subject: 'o-1001',
  datacontenttype: 'application/json',
  data: { total: 12.5, currency: 'EUR' },
};

/** An event that came as such, given as a CloudEvent. */
export const asCloudEvent = {
  specversion: '1.0',
  id: 'o-1001',
  source: 'shop',
  type: 'orders',
  time: '2026-11-21T10:00:00Z',
  sequence: '0000000000000000001',
  datacontenttype: 'application/json',
  data: { total: 12.5, currency: 'EUR' },
};
