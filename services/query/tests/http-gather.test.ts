import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EventsieveError } from '@eventsieve/contract/errors';
import { Outcome, type PublishRequest, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectGateway, type GatewayClient } from '../src/gateway-client.js';
import { servePublish } from '../src/http/publish.js';
import { type RunningHttpServer, startHttpServer } from '../src/http/server.js';
import { type FakeGateway, outcomes, startFakeGateway } from './http-fixture.js';
import { silent } from './query-fixture.js';

let fake: FakeGateway;
let gateway: GatewayClient;
let server: RunningHttpServer;
/** Called for each request, once its body is there. */
let arrived = () => {};
beforeAll(async () => {
  fake = await startFakeGateway();
  gateway = connectGateway(fake.address, 1024 ** 2);
  const bridge = {
    gateway,
    maxEventsPerRequest: 100,
    maxRequestBytes: 100_000,
    duplicateStatus: 200 as const,
    storedTimeoutMs: 1_000,
  };
  server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    maxRequestBytes: 100_000,
    drainMs: 100,
    logger: silent,
    serve: (app) => {
      app.addHook('preHandler', async () => arrived());
      servePublish(app, bridge);
    },
  });
});
afterAll(async () => {
  await server.stop();
  gateway.close();
  await fake.stop();
});
beforeEach(() => {
  fake.answer((request) => outcomes(request));
  fake.calls.length = 0;
});

const event = (event_id: string) => ({ topic: 't', event_id, source: 's', timestamp: '2024-05-01T12:00:00Z' });

interface Answer {
  readonly message: string;
  readonly error: { readonly message: string; readonly fields: readonly object[] };
}

async function post(body: unknown, query = '') {
  const headers = { 'content-type': 'application/json' };
  const url = `${server.address}/publish${query}`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Answer };
}

/** A verdict that only depends on the event, whichever call it is in. */
function judged(request: PublishRequest) {
  const { OUTCOME_REJECTED, OUTCOME_DUPLICATE, OUTCOME_CONFLICT, OUTCOME_STORED } = Outcome;
  const byRest = [OUTCOME_STORED, OUTCOME_DUPLICATE, OUTCOME_CONFLICT, OUTCOME_REJECTED];
  const answer = outcomes(request, ...request.events.map(({ eventId }) => byRest[Number(eventId) % 4] as Outcome));
  for (const result of answer.results) {
    if (result.outcome !== OUTCOME_REJECTED) continue;
    result.error = { code: 'INVALID_ARGUMENT', message: `is wrong in ${result.eventId}`, field: 'payload.a' };
  }
  return answer;
}

async function twoHundredAtOnce() {
  fake.calls.length = 0;
  // Calls are under way until all the requests are in, but for less than anybody is let wait.
  const allIn = new Promise<void>((resolve) => {
    let missing = 200;
    arrived = () => {
      if (--missing === 0) resolve();
    };
  });
  fake.answer(async (request) => {
    await Promise.race([allIn, delay(1_000)]);
    return judged(request);
  });
  return await Promise.all(Array.from({ length: 200 }, (_, index) => post(event(String(index)))));
}

test('two hundred at once take a few calls, and each gets its own verdict or field error', async () => {
  let answers = await twoHundredAtOnce();
  // Without gathering it is always as many calls as may be under way, 128, and one more. With it there are as many as
  // the machine leaves time for.
  for (let again = 0; again < 5 && fake.calls.length >= 100; again++) answers = await twoHundredAtOnce();
  expect(fake.calls.length).toBeLessThan(100);
  expect(fake.calls.flatMap(({ request }) => request.events)).toHaveLength(200);
  answers.forEach(({ status, body }, index) => {
    expect(status).toBe([201, 200, 409, 400][index % 4]);
    if (index % 4 === 3) {
      expect(body.error.fields).toEqual([{ index: 0, field: 'payload.a', message: `is wrong in ${index}` }]);
      expect(body.error.message).toBe(`events[0].payload.a: is wrong in ${index}`);
    } else {
      expect(body).toMatchObject({
        received: 1,
        inserted: index % 4 === 0 ? 1 : 0,
        results: [{ event_id: `${index}` }],
      });
      expect(body.message).toBe(
        index % 4 === 0
          ? 'Received 1 events, accepted 1, rejected 0 duplicates'
          : 'Received 1 events, accepted 0, rejected 1 duplicates',
      );
    }
  });
});

test('calls are not shared between waits, nor with batches', async () => {
  await Promise.all([post(event('1')), post(event('2'), '?wait=broker'), post([event('3')]), post(event('4'))]);
  for (const { request } of fake.calls) {
    const ids = request.events.map(({ eventId }) => eventId);
    expect(request.waitFor === WaitFor.WAIT_FOR_BROKER).toBe(ids.includes('2'));
    if (ids.includes('2') || ids.includes('3')) expect(ids).toHaveLength(1);
  }
});

test('an error of the call reaches everybody in it', async () => {
  fake.answer(() => new EventsieveError('UNAVAILABLE', 'away'));
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => post(event(String(index)))));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
});

test('clients that stop half-way through a body, or leave before the answer, hold up nobody', async () => {
  const { hostname, port } = new URL(server.address);
  const body = JSON.stringify(event('gone'));
  const open = async (text: string) => {
    const socket = connectTcp(Number(port), hostname).on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(`POST /publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`);
    socket.write(`content-length: ${body.length}\r\n\r\n${text}`);
    return socket;
  };
  const slow = await Promise.all(Array.from({ length: 10 }, () => open(body.slice(0, 20))));
  for (const socket of await Promise.all(Array.from({ length: 10 }, () => open(body)))) socket.destroy();
  const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => post(event(String(index)))));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
  for (const socket of slow) socket.destroy();
});
