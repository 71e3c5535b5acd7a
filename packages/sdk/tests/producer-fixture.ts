import {
  type Client,
  createClient,
  type EventsieveError,
  type NewEvent,
  type ProducerOptions,
} from '@eventsieve/client';
import { afterEach } from 'vitest';
import { type FakeCall, startFakeGateway } from './fake-gateway.js';

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A client that ends with the test. */
export function testClient(options?: Parameters<typeof createClient>[0]): Client {
  const client = createClient(options);
  endings.push(() => client.close({ signal: AbortSignal.abort() }));
  return client;
}

export async function testGateway(onCall: (call: FakeCall, number: number) => void) {
  const gateway = await startFakeGateway(onCall);
  endings.push(gateway.stop);
  return gateway;
}

/** A producer at a gateway that does what the test says. */
export async function start(options: ProducerOptions, onCall: (call: FakeCall, number: number) => void) {
  const gateway = await testGateway(onCall);
  const client = testClient({ gateway: gateway.address });
  return { ...gateway, client, producer: client.producer(options) };
}

export const event = (eventId: string, payloadJson = '{}'): NewEvent => ({
  topic: 't',
  eventId,
  source: 's',
  payloadJson,
});

/** An event of about so many bytes. */
export const eventOf = (eventId: string, bytes: number) => event(eventId, JSON.stringify({ text: 'x'.repeat(bytes) }));

export const answer = (call: FakeCall) => call.answer();

export const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

export const failureOf = (promise: Promise<unknown>): Promise<EventsieveError | undefined> =>
  promise.then(
    () => undefined,
    (error: EventsieveError) => error,
  );
