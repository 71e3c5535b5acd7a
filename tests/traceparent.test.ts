import { type Client, createClient } from '@eventsieve/client';
import { IngestServiceClient, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventOf } from './support/publishers.js';
import { refuseMarked } from './support/refuse-marked.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
beforeAll(async () => {
  system = await startSystem({ environment: { DUPLICATE_LINES_PER_SECOND: '1000' } });
  await refuseMarked(system.database.pool);
});
afterAll(() => system.stop());

const traceOf = (number: number) => `00-${String(number).padStart(32, 'a')}-b7ad6b7169203331-01`;

/** An event that Postgres will not take, so that its message is kept with its headers. */
const marked = (eventId: string) => ({ topic: 'traced', eventId, source: 'shop', payload: { marked: true } });

async function keptHeaders(eventId: string): Promise<Record<string, string[]>> {
  const find = 'select headers from dead_letters where event_id = $1';
  return waitUntil('it is a dead letter', () => system.database.value<Record<string, string[]>>(find, [eventId]));
}

async function publishing<T>(
  traceparent: string | (() => string | undefined) | undefined,
  work: (client: Client) => Promise<T>,
) {
  const client = createClient({ gateway: system.gatewayAddress, query: system.queryAddress, traceparent });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

test.each(['stored', 'broker'] as const)(
  'a trace goes from the client to the message and the line about it (%s)',
  async (wait) => {
    const trace = traceOf(wait === 'stored' ? 1 : 2);
    await publishing(trace, (client) => client.publish(marked(`one-${wait}`), { wait }));
    expect(await keptHeaders(`one-${wait}`)).toMatchObject({ traceparent: [trace] });
    await waitUntil('the worker has said so', () => lineOf(system.workers[0]?.output(), trace));
    expect(lineOf(system.workers[0]?.output(), trace)).toMatchObject({ msg: 'message dead-lettered', code: '22023' });
  },
);

test('a function is asked at each call, and one call may name its own', async () => {
  let calls = 10;
  await publishing(
    () => traceOf(calls++),
    async (client) => {
      await client.publish(marked('asked'));
      await client.publish(marked('named'), { traceparent: traceOf(20) });
      const producer = client.producer();
      await Promise.all([producer.send(marked('batch-1')), producer.send(marked('batch-2'))]);
    },
  );
  const kept = await Promise.all(['asked', 'named', 'batch-1', 'batch-2'].map(keptHeaders));
  expect(kept.map(({ traceparent }) => traceparent?.[0])).toEqual([traceOf(10), traceOf(20), traceOf(11), traceOf(11)]);
});

test('duplicates are told with the trace that brought them, by whoever recognises them', async () => {
  const event = { topic: 'traced', eventId: 'twice', source: 'shop' };
  await publishing(traceOf(30), (client) => client.publish(event));
  await publishing(traceOf(31), (client) => client.publish(event));
  await waitUntil('the worker tells', () => lineOf(system.workers[0]?.output(), traceOf(31)));
  const other = { ...event, eventId: 'twice-broker' };
  await publishing(traceOf(32), (client) => client.publish(other, { wait: 'broker' }));
  await publishing(traceOf(33), (client) => client.publish(other, { wait: 'broker' }));
  await waitUntil('the gateway tells', () => lineOf(system.gateway.output(), traceOf(33)));
  expect(lineOf(system.workers[0]?.output(), traceOf(31))).toMatchObject({ event_id: 'twice', by: 'store' });
  expect(lineOf(system.gateway.output(), traceOf(33))).toMatchObject({ event_id: 'twice-broker', by: 'broker' });
  for (const first of [30, 32])
    expect(lineOf(system.gateway.output() + system.workers[0]?.output(), traceOf(first))).toBeUndefined();
});

test('what is no traceparent travels nowhere', async () => {
  const failing = () => {
    throw new Error('no context');
  };
  await publishing(failing, (client) => client.publish(marked('throwing')));
  await publishing('nonsense', (client) => client.publish(marked('nonsense')));
  await publishing(undefined, (client) => client.publish(marked('plain')));
  // Past the client, which would not send it.
  const raw = new IngestServiceClient(system.gatewayAddress, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('traceparent', traceOf(40).toUpperCase());
  const event = eventOf({ topic: 'traced', eventId: 'raw', payload: '{"marked":true}' });
  await new Promise((resolve, reject) => {
    raw.publish(
      { events: [event], waitFor: WaitFor.WAIT_FOR_STORED, allowPartial: false },
      metadata,
      (error, response) => (error ? reject(error) : resolve(response)),
    );
  });
  raw.close();
  for (const id of ['throwing', 'nonsense', 'plain', 'raw']) expect(await keptHeaders(id)).toEqual({});
});

test('the bridge hands on the trace of each request, however many arrive together', async () => {
  const post = async (body: object, traceparent?: string, query = '') => {
    const headers = { 'content-type': 'application/json', ...(traceparent && { traceparent }) };
    const answer = await fetch(`${system.http}/publish${query}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return answer.status;
  };
  const singles = Array.from({ length: 20 }, (_, index) => (index % 2 ? undefined : traceOf(100 + index)));
  const bodies = singles.map((_, index) => ({ ...wire(`http-${index}`), timestamp: new Date().toISOString() }));
  const statuses = await Promise.all(bodies.map((body, index) => post(body, singles[index])));
  expect(new Set(statuses)).toEqual(new Set([422]));
  const kept = await Promise.all(singles.map((_, index) => keptHeaders(`http-${index}`)));
  expect(kept.map(({ traceparent }) => traceparent?.[0])).toEqual(singles);

  const batch = ['list-1', 'list-2'].map((id) => ({ ...wire(id), timestamp: new Date().toISOString() }));
  expect(await post(batch, traceOf(200))).toBe(200);
  expect(await keptHeaders('list-2')).toMatchObject({ traceparent: [traceOf(200)] });
  expect(await post({ ...wire('odd'), timestamp: new Date().toISOString() }, 'nonsense')).toBe(422);
  expect(await keptHeaders('odd')).toEqual({});
});

const wire = (eventId: string) => ({ topic: 'traced', event_id: eventId, source: 'shop', payload: { marked: true } });

function lineOf(output: string | undefined, traceparent: string): Record<string, unknown> | undefined {
  const line = output?.split('\n').find((each) => each.includes(traceparent));
  return line === undefined ? undefined : JSON.parse(line);
}
