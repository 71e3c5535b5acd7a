import type { ClientOptions } from '@eventsieve/client';
import { UsageError } from '../command.js';
import { connectionFlags, jsonFlag, readConnection } from '../connection.js';
import type { Environment } from '../environment.js';
import type { Flag } from '../flag.js';
import { type FlagReader, type Given, whole, wrong } from '../flags.js';
import type { DoorOptions } from './door.js';
import type { Mapping } from './read-csv-record.js';
import type { Format } from './read-pieces.js';
import type { Defaults } from './read-record.js';

export interface PublishOptions extends DoorOptions {
  readonly path: string | undefined;
  /** Of the bridge; undefined: it goes to the gateway. */
  readonly url: string | undefined;
  readonly connection: ClientOptions & { readonly gateway: string };
  readonly format: Format | undefined;
  readonly defaults: Defaults;
  readonly mappings: readonly Mapping[];
  readonly stopAtFaults: boolean;
  /** Undefined: beside the file. */
  readonly checkpoint: string | undefined;
  readonly withCheckpoint: boolean;
  readonly json: boolean;
}

export const publishFlags: readonly Flag[] = [
  {
    name: 'format',
    choices: ['auto', 'ndjson', 'json', 'csv'],
    fallback: 'auto',
    meaning: 'json: an array; each may be packed with gzip',
  },
  { name: 'topic', value: 'topic', meaning: 'of records that have none' },
  { name: 'source', value: 'source', meaning: 'of records that have none' },
  {
    name: 'id-from',
    value: 'field,field',
    meaning: 'makes the ids of records that have none, such as payload.order_no',
  },
  {
    name: 'map',
    kind: 'repeated',
    value: 'column=field',
    meaning: 'what a column of a CSV file is; payload.x:number and payload.x:json are not taken as text',
  },
  {
    name: 'wait',
    choices: ['stored', 'broker'],
    fallback: 'stored',
    meaning: 'what an answer waits for: a verdict, or that it is durable',
  },
  { name: 'batch', value: 'n', fallback: '200', meaning: 'events in a request' },
  { name: 'in-flight', value: 'n', fallback: '8', meaning: 'requests at a time; with 1 the events keep their order' },
  { name: 'on-error', choices: ['skip', 'stop'], fallback: 'skip', meaning: 'what to do at a record that is at fault' },
  { name: 'checkpoint', value: 'file', fallback: 'beside the file', meaning: 'where it is written how far it came' },
  { name: 'no-checkpoint', kind: 'boolean', meaning: 'write none, and begin at the beginning' },
  {
    name: 'target',
    value: 'address',
    variable: 'TARGET_URL',
    fallback: 'the gateway',
    meaning: 'host:port, in place of --gateway, or the http URL of the bridge',
  },
  jsonFlag,
  ...connectionFlags,
];

export function readPublishOptions(given: FlagReader, environment: Environment): PublishOptions {
  const target = given.given('target');
  const url = target !== undefined && /^https?:\/\//i.test(target.value) ? target.value : undefined;
  if (url !== undefined && !URL.canParse(url)) throw wrong(target as Given, 'a URL such as http://127.0.0.1:8080');
  const connection = readConnection(given, environment);
  const path = given.positional('file');
  const checkpoint = given.text('checkpoint');
  const withCheckpoint = !given.isOn('no-checkpoint');
  if (checkpoint !== undefined && !withCheckpoint)
    throw new UsageError('--checkpoint and --no-checkpoint exclude each other.');
  if (checkpoint !== undefined && (path === undefined || path === '-')) {
    throw new UsageError('--checkpoint is for files: the standard input cannot be read from its middle.');
  }
  const format = given.choice<Format | 'auto'>('format') ?? 'auto';
  return {
    path,
    url,
    connection: target === undefined || url !== undefined ? connection : { ...connection, gateway: target.value },
    format: format === 'auto' ? undefined : format,
    defaults: {
      topic: given.text('topic'),
      source: given.text('source'),
      idFrom:
        given
          .text('id-from')
          ?.split(',')
          .map((name) => name.trim()) ?? [],
    },
    mappings: given.all('map').map(readMapping),
    wait: given.choice<'stored' | 'broker'>('wait') ?? 'stored',
    batch: whole(given.given('batch'), 200, 1, 10_000),
    inFlight: whole(given.given('in-flight'), 8, 1, 100),
    stopAtFaults: given.choice('on-error') === 'stop',
    checkpoint,
    withCheckpoint,
    json: given.isOn('json'),
  };
}

function readMapping(given: Given): Mapping {
  const [, column = '', field = '', kind = 'string'] =
    /^(.+)=(topic|event_id|timestamp|source|payload|payload\..+?)(?::(number|json|string))?$/.exec(given.value) ?? [];
  if (column === '' || (kind !== 'string' && !field.startsWith('payload.'))) {
    throw wrong(given, '<column>=topic, event_id, timestamp, source, payload or payload.<name>[:number|:json]');
  }
  return { column, field, kind: kind as Mapping['kind'] };
}
