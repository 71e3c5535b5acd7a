import { filterParametersWith } from './filter-parameters.js';
import { failure, internal, overloaded, type Paths, refused, unavailable } from './parts.js';

const line =
  '{"topic":"orders","event_id":"o-1001","timestamp":"2026-11-21T10:00:00Z","source":"shop","payload":{"total":12.5,"currency":"EUR"}}\n';

export const exportPath: Paths = {
  '/events/export': {
    get: {
      operationId: 'exportEvents',
      tags: ['events'],
      summary: 'Take all events of a filter along',
      description:
        'One event a line, oldest first, each exactly as it can be published: POST /publish takes the lines back with ' +
        'content-type application/x-ndjson. Everything that was stored when it began is in it, and nothing later. What ' +
        'ends well is whole; otherwise the connection breaks. With Accept-Encoding: gzip the lines come compressed. ' +
        'Cut off is who takes nothing for a minute.',
      parameters: [
        ...filterParametersWith({ topic: { lines: { value: 'orders' } }, payload: { no_object: { value: '[1]' } } }),
        {
          name: 'cursor',
          in: 'query',
          description: 'Only what comes after it: next_cursor of a list, or the id of an event.',
          schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
          examples: { nothing: { value: '9223372036854775807' } },
        },
        {
          name: 'format',
          in: 'query',
          description: 'gzip: a file, events.ndjson.gz. cloudevents: a CloudEvent a line.',
          schema: { enum: ['ndjson', 'gzip', 'cloudevents'], default: 'ndjson' },
          examples: { cloud_events: { value: 'cloudevents' }, both: { value: 'cloudevents' } },
        },
        {
          name: 'meta',
          in: 'query',
          description: 'true: each line also has id and received_at, which POST /publish passes over in lines.',
          schema: { enum: ['true', 'false'], default: 'false' },
          examples: { both: { value: 'true' } },
        },
      ],
      responses: {
        200: {
          description: 'Lines.',
          content: {
            'application/x-ndjson': {
              schema: { type: 'string' },
              examples: {
                lines: { value: line },
                nothing: { value: '' },
                cloud_events: {
                  value:
                    '{"specversion":"1.0","id":"o-1001","source":"shop","type":"orders","time":"2026-11-21T10:00:00Z","sequence":"0000000000000000001","datacontenttype":"application/json","data":{"total":12.5,"currency":"EUR"}}\n',
                },
              },
            },
            'application/gzip': { schema: { type: 'string', contentMediaType: 'application/gzip' } },
          },
        },
        400: failure('A parameter is wrong or unknown.', {
          no_object: refused('payload', 'must be a JSON object'),
          both: refused('meta', 'must not be given with format=cloudevents'),
        }),
        429: overloaded,
        500: internal,
        503: unavailable,
      },
    },
  },
};
