import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeBrokerCopy, encodeStoredCopy, headersFor } from './encode-copy.js';
import type { ValidEvent } from './validate/validate-event.js';

const bytes = fc.uint8Array({ minLength: 1, maxLength: 600 });
const anyEvent: fc.Arbitrary<ValidEvent> = fc.record({
  topic: bytes,
  eventId: bytes,
  source: bytes,
  payload: bytes,
  timestampUs: fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
});

const contentOf = ({ topic, eventId, source, payload }: ValidEvent) =>
  [topic, eventId, source, payload].map((part) => Buffer.from(part).toString('hex'));

test('what is written is what the worker reads', () => {
  fc.assert(
    fc.property(anyEvent, fc.bigInt({ min: 1n, max: 2n ** 53n }), (event, ticket) => {
      const broker = Copy.decode(encodeBrokerCopy(event, 'p.').body);
      expect(contentOf(broker)).toEqual(contentOf(event));
      expect(broker).toMatchObject({ timestampUs: event.timestampUs, replyTo: '', ticket: 0n });
      const stored = Copy.decode(encodeStoredCopy(event, 'p.', 'p.verdicts.me', ticket).body);
      expect(contentOf(stored)).toEqual(contentOf(event));
      expect(stored).toMatchObject({ timestampUs: event.timestampUs, replyTo: 'p.verdicts.me', ticket });
    }),
    { numRuns: 1000 },
  );
});

const text = (value: string) => Buffer.from(value);
const event = {
  topic: text('orders'),
  eventId: text('1'),
  source: text('shop'),
  payload: text('{"a":1}'),
  timestampUs: 5n,
};
const idOf = (of: ValidEvent) => String(encodeBrokerCopy(of, 'p.').header);

test('the message id follows the content, not the timestamp', () => {
  expect(idOf(event)).toMatch(/^NATS\/1\.0\r\nNats-Msg-Id: [A-Za-z0-9_-]{22}\r\n\r\n$/);
  expect(idOf({ ...event, timestampUs: 6n })).toBe(idOf(event));
  const others = [
    { ...event, topic: text('order'), eventId: text('s1') },
    { ...event, eventId: text('2') },
    { ...event, source: text('shops') },
    { ...event, payload: text('{"a":2}') },
  ];
  expect(new Set([event, ...others].map(idOf)).size).toBe(5);
});

test('a topic has its own subject, however often it comes', () => {
  const subjects = ['orders', 'orders.eu', 'orders', 'Bestellungen/ü'].map(
    (topic) => encodeBrokerCopy({ ...event, topic: text(topic) }, 'p.events.').subject,
  );
  expect(subjects).toEqual([
    'p.events.orders',
    'p.events.orders.eu',
    'p.events.orders',
    'p.events.Bestellungen=2f=c3=bc',
  ]);
});

test('more topics than are remembered, and under two prefixes: each has its own subject', () => {
  const subjectOf = (topic: string, prefix: string) =>
    encodeBrokerCopy({ ...event, topic: text(topic) }, prefix).subject;
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 10_000; number++) {
      expect(subjectOf(`t${number}`, 'p.events.')).toBe(`p.events.t${number}`);
      expect(subjectOf(`t${number}`, 'q.events.')).toBe(`q.events.t${number}`);
    }
  }
});

test('a trace goes with each message of its call, beside the message id', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const headers = headersFor(traceparent);
  const traced = String(encodeBrokerCopy(event, 'p.', headers).header);
  expect(traced).toBe(idOf(event).replace(/\r\n$/, `traceparent: ${traceparent}\r\n\r\n`));
  const stored = encodeStoredCopy(event, 'p.', 'p.verdicts.me', 1n, headers);
  expect(String(stored.header)).toBe(`NATS/1.0\r\ntraceparent: ${traceparent}\r\n\r\n`);
  expect(encodeStoredCopy(event, 'p.', 'p.verdicts.me', 1n, headersFor(undefined)).header).toBeUndefined();
});
