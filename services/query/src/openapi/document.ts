import { cloudEventSchemas } from './cloud-events.js';
import { deadLetterPaths } from './dead-letter-paths.js';
import { deadLetterSchemas } from './dead-letter-schemas.js';
import { eraseTopicPath } from './erase-path.js';
import { eventPaths } from './event-paths.js';
import { exportPath } from './export-path.js';
import { pagePaths } from './page-paths.js';
import type { Paths } from './parts.js';
import { publishPath } from './publish-path.js';
import { schemas } from './schemas.js';
import { statisticsPaths } from './statistics-paths.js';
import { statisticsSchemas } from './statistics-schemas.js';
import { statsPaths } from './stats-paths.js';
import { streamPath } from './stream-path.js';

const paths: Paths = {
  ...publishPath,
  ...eventPaths,
  ...streamPath,
  ...exportPath,
  ...deadLetterPaths,
  ...statsPaths,
  ...statisticsPaths,
  ...pagePaths,
  ...eraseTopicPath,
};

/**
 * Kept by hand: the bridge's bodies are texts that no type describes. Tests hold it against the routes, ask every example
 * of a running system, and hold each answer against the schema that stands here.
 */
export const openApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'eventsieve',
    version: '0.1.0',
    summary: 'Idempotent event aggregator: keeps each (topic, event_id) once, counts every copy.',
    description:
      'HTTP in front of the gRPC API. An unknown parameter is refused (400). A path that does not exist is 404, another ' +
      'method is 405 with Allow. Errors have one shape, which names index and field.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  tags: [
    { name: 'events', description: 'Publish and read.' },
    { name: 'dead letters', description: 'What could not be stored: look, send through again, give up.' },
    { name: 'counts', description: 'How many, and whether it adds up.' },
    { name: 'operations', description: 'Health and metrics.' },
    { name: 'documentation' },
  ],
  paths,
  components: { schemas: { ...schemas, ...deadLetterSchemas, ...statisticsSchemas, ...cloudEventSchemas } },
};
