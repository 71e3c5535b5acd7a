import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { namesFor } from '@eventsieve/contract/names';
import type { Msg } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { readDelivery } from './delivery.js';

const names = namesFor();
const text = (value: string) => Buffer.from(value);
const data = Copy.encode({
  topic: text('orders'),
  eventId: text('1'),
  source: text('shop'),
  payload: text('{}'),
  timestampUs: 7n,
  replyTo: '',
  ticket: 0n,
}).finish();

const read = (reply: string) =>
  readDelivery({ subject: `${names.eventSubjectPrefix}orders`, reply, data } as unknown as Msg, 1000n, names);

test.each([
  ['as servers write it', '$JS.ACK.EVENTSIEVE.dedup-worker-1.1.42.7.1700000000123456789.3'],
  ['with domain and account', '$JS.ACK.hub.ACC123.EVENTSIEVE.dedup-worker-1.1.42.7.1700000000123456789.3.rnd'],
  ['without a domain', '$JS.ACK._.ACC123.EVENTSIEVE.dedup-worker-1.1.42.7.1700000000123456789.3.rnd'],
])('position and time are those that the broker gave: %s', (_, reply) => {
  expect(read(reply)).toMatchObject({ position: 1042n, receivedAtUs: 1700000000123456n, deliveries: 1 });
});

test('what was handed out before says so', () => {
  expect(read('$JS.ACK.EVENTSIEVE.dedup-worker-1.2.42.7.1700000000123456789.3').deliveries).toBe(2);
  expect(read('$JS.ACK.EVENTSIEVE.dedup-worker-1.11.42.7.1700000000123456789.3').deliveries).toBe(11);
});

test.each([
  '',
  '_INBOX.abc.1',
  '$JS.ACK.EVENTSIEVE.dedup-worker-1.1.x.7.1700000000123456789.3',
  '$JS.ACK.EVENTSIEVE.dedup-worker-1.1.0.7.1700000000123456789.3',
  '$JS.ACK.EVENTSIEVE.dedup-worker-1.1.42.7.789.3',
  '$JS.ACK.hub.EVENTSIEVE.dedup-worker-1.1.42.7.1700000000123456789.3',
  `$JS.ACK.hub.ACC123.EVENTSIEVE.dedup-worker-1.1.42.7.1700000000123456789.3${'.more'.repeat(9)}`,
])('what is no message of a stream has no position: "%s"', (reply) => {
  expect(() => read(reply)).toThrow('no message of a stream');
});
