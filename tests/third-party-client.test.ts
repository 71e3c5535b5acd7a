import { fileURLToPath } from 'node:url';
import { credentials, type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';

// A stranger who has the .proto files and nothing of ours.
const protoFolder = fileURLToPath(new URL('../proto', import.meta.url));

let system: System;
let api: Record<string, ServiceClientConstructor>;

beforeAll(async () => {
  system = await startSystem();
  const definition = loadSync(['eventsieve/v1/ingest.proto', 'eventsieve/v1/query.proto'], {
    includeDirs: [protoFolder],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
  });
  const loaded = loadPackageDefinition(definition) as { eventsieve: { v1: GrpcObject } };
  api = loaded.eventsieve.v1 as Record<string, ServiceClientConstructor>;
});
afterAll(() => system.stop());

type Answer = Record<string, unknown>;

function call(service: string, address: string, method: string, request: object): Promise<Answer> {
  const Client = api[service] as ServiceClientConstructor;
  const client = new Client(address, credentials.createInsecure());
  return new Promise<Answer>((resolve, reject) => {
    (client[method] as (request: object, done: (error: Error | null, answer: Answer) => void) => void).call(
      client,
      request,
      (error, answer) => (error ? reject(error) : resolve(answer)),
    );
  }).finally(() => client.close());
}

const struct = {
  fields: { amount: { numberValue: 12.5 }, tags: { listValue: { values: [{ stringValue: 'a' }, { nullValue: 0 }] } } },
};
const event = {
  topic: 'orders.eu',
  event_id: 'third-party-1',
  source: 'stranger',
  timestamp: { seconds: 1_795_230_000, nanos: 123_456_789 },
  payload: struct,
};

test('a client made from the .proto files alone publishes, repeats and conflicts', async () => {
  const publish = (change: object = {}) =>
    call('IngestService', system.gatewayAddress, 'Publish', {
      events: [{ ...event, ...change }],
      wait_for: 'WAIT_FOR_STORED',
    });
  expect(await publish()).toMatchObject({
    received: 1,
    accepted: 1,
    inserted: 1,
    results: [{ topic: 'orders.eu', event_id: 'third-party-1', outcome: 'OUTCOME_STORED', position: '1' }],
  });
  expect(await publish()).toMatchObject({
    accepted: 0,
    duplicates: 1,
    results: [{ outcome: 'OUTCOME_DUPLICATE', position: '2' }],
  });
  expect(await publish({ payload_json: '{"other":true}', payload: undefined })).toMatchObject({
    duplicates: 1,
    conflicts: 1,
    results: [{ outcome: 'OUTCOME_CONFLICT' }],
  });
});

test('and reads, counts and audits', async () => {
  await drained(system, 3);
  const query = (method: string, request: object = {}) => call('QueryService', system.queryAddress, method, request);
  expect(await query('ListEvents', { topic: 'orders.eu' })).toMatchObject({
    events: [
      {
        position: '1',
        event: {
          ...event,
          timestamp: { seconds: '1795230000', nanos: 123_456_000 },
          payload: { fields: { amount: { numberValue: 12.5 } } },
        },
      },
    ],
    next_cursor: '',
  });
  expect(
    await query('GetEvent', { topic: 'orders.eu', event_id: 'third-party-1', payload_format: 'PAYLOAD_FORMAT_JSON' }),
  ).toMatchObject({
    status: 'EVENT_STATUS_STORED',
    event: { event: { payload_json: '{"tags": ["a", null], "amount": 12.5}' } },
  });
  expect(await query('GetStats')).toMatchObject({
    current: { received: '3', unique_processed: '1', duplicate_dropped: '2', conflicts: '1', in_flight: '0' },
    topics: ['orders.eu'],
  });
  expect(await query('Reconcile')).toMatchObject({ ok: true, differences: [], broker_checked: true });
  await query('ResetStats');
  expect(await query('GetStats')).toMatchObject({ current: { received: '0' }, lifetime: { received: '3' } });
});
