import { Outcome, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Copy, Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { oneByOneHeader } from '@eventsieve/contract/one-by-one';
import { Metadata } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { eventOf } from '../../../tests/support/publishers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startTestGateway, type TestGateway } from './gateway-fixture.js';
import { openStream } from './open-stream.js';

let gateway: TestGateway;
afterEach(() => gateway.stop());

const event = (eventId: string, payload = '{"n":1}') => eventOf({ topic: 'orders', eventId, payload });
const storedIds = async () =>
  (await gateway.messages()).map(({ data }) => Buffer.from(Copy.decode(data).eventId).toString());

function openLine() {
  const metadata = new Metadata();
  metadata.set(oneByOneHeader, '1');
  return openStream(gateway.client, {}, metadata);
}

test('each request is answered before the next is read', async () => {
  gateway = await startTestGateway({ STORED_TIMEOUT: '60s' });
  // A worker that answers when it is told to.
  let answer: (() => void) | undefined;
  gateway.connection.subscribe(`${gateway.names.eventSubjectPrefix}>`, {
    callback: (_, message) => {
      const { replyTo, ticket } = Copy.decode(message.data);
      const verdict = { ticket, outcome: Outcome.OUTCOME_STORED, position: ticket, firstSeenAtUs: 0n, reason: '' };
      answer ??= () => gateway.connection.publish(replyTo, Verdicts.encode({ verdicts: [verdict] }).finish());
    },
  });
  await gateway.connection.flush();
  const line = openLine();
  line.send([event('a')], { waitFor: WaitFor.WAIT_FOR_STORED });
  line.send([event('b')]);
  await waitUntil('the first is with the worker', () => answer !== undefined);
  expect(await storedIds()).toEqual(['a']);
  expect(line.answers).toEqual([]);
  answer?.();
  line.end();
  expect(await line.ended).toBeUndefined();
  expect(line.ids()).toEqual([['a'], ['b']]);
  expect(await storedIds()).toEqual(['a', 'b']);
});

test('the first that is refused ends it, in the words of Publish, and nothing behind it is taken', async () => {
  gateway = await startTestGateway();
  const line = openLine();
  line.send([event('a')]);
  line.send([event('b'), event('')]);
  line.send([event('c')]);
  expect(await line.ended).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^events\[1\]\.event_id/),
    request: undefined,
  });
  expect(line.ids()).toEqual([['a']]);
  expect(await storedIds()).toEqual(['a']);
});

test('it is refused at once where a stream would wait for room', async () => {
  gateway = await startTestGateway({ STORED_TIMEOUT: '60s', MAX_WAITING_COPIES: '2' });
  const full = openLine();
  full.send([event('a'), event('b')], { waitFor: WaitFor.WAIT_FOR_STORED });
  await waitUntil('they wait', async () => (await storedIds()).length === 2);
  const line = openLine();
  line.send([event('c')], { waitFor: WaitFor.WAIT_FOR_STORED });
  expect(await line.ended).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  expect(full.answers).toEqual([]);
  full.call.cancel();
  await full.ended;
});

test('each is counted as a call', async () => {
  gateway = await startTestGateway();
  const line = openLine();
  line.send([event('a')]);
  line.send([event('b')]);
  line.send([event('')]);
  await line.ended;
  const exposition = await (await fetch(gateway.health.replace('/health', '/metrics'))).text();
  const counted = (pattern: RegExp) => Number(pattern.exec(exposition)?.[1] ?? Number.NaN);
  expect(counted(/request_duration_seconds_count\{wait="broker",result="answered"\} (\d+)/)).toBe(2);
  expect(counted(/request_duration_seconds_count\{wait="broker",result="invalid"\} (\d+)/)).toBe(1);
});
