import type { EventsieveError } from '@eventsieve/contract/errors';
import { IngestServiceService, Outcome, PublishResponse } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { Struct } from '@eventsieve/contract/gen/google/protobuf/struct';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestGateway, type TestGateway } from './gateway-fixture.js';

let gateway: TestGateway;
let client: Client;
beforeAll(async () => {
  gateway = await startTestGateway({ MAX_EVENT_BYTES: '4096', MAX_EVENTS_PER_REQUEST: '5', MAX_PAYLOAD_DEPTH: '8' });
  client = new Client(gateway.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await gateway.stop();
});

/** Whatever bytes, as a request. */
function send(bytes: Uint8Array): Promise<PublishResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      IngestServiceService.publish.path,
      (body: Uint8Array) => Buffer.from(body),
      (body) => PublishResponse.decode(body),
      bytes,
      (error, answer) => (error ? reject(error) : resolve(answer as PublishResponse)),
    );
  });
}

const refusal = (bytes: Uint8Array): Promise<EventsieveError> =>
  send(bytes).then(
    () => expect.unreachable('the request was taken'),
    (error: ServiceError) => fromGrpcError(error),
  );

type Door = DoorRequest['events'][number];
const text = (value: string) => Buffer.from(value);
const good: Door = {
  topic: text('orders'),
  eventId: text('e1'),
  source: text('shop'),
  timestamp: { seconds: 1_795_230_000n, nanos: 0 },
  payloadJson: text('{"n":1}'),
};
const request = (events: Door[], rest: Partial<DoorRequest> = {}) =>
  DoorRequest.encode({ events, waitFor: 0, allowPartial: false, ...rest }).finish();
const struct = (value: object) => Struct.encode(Struct.wrap(value as Record<string, unknown>)).finish();
const asStruct = (value: object): Partial<Door> => ({ payload: Buffer.from(struct(value)), payloadJson: undefined });
const asJson = (value: string): Partial<Door> => ({ payloadJson: text(value) });
const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });

const broken = Buffer.from([0x61, 0xff]);
const cases: [what: string, change: Partial<Door>, field: string][] = [
  ['no topic', { topic: text('') }, 'topic'],
  ['no event_id', { eventId: text('') }, 'event_id'],
  ['no source', { source: text('') }, 'source'],
  ['a topic of 256 characters', { topic: text('x'.repeat(256)) }, 'topic'],
  ['an event_id of 256 wide characters', { eventId: text('\u{1f600}'.repeat(256)) }, 'event_id'],
  ['a source of 256 characters', { source: text('é'.repeat(256)) }, 'source'],
  ['a line feed in the topic', { topic: text('a\nb') }, 'topic'],
  ['NUL in the event_id', { eventId: text('a\0b') }, 'event_id'],
  ['DEL in the source', { source: text('a\u007f') }, 'source'],
  ['a C1 control character in the topic', { topic: text('a\u0085b') }, 'topic'],
  ['broken UTF-8 in the topic', { topic: broken }, 'topic'],
  ['a surrogate encoded as UTF-8 in the event_id', { eventId: Buffer.from([0xed, 0xa0, 0x80]) }, 'event_id'],
  ['broken UTF-8 in the source', { source: broken }, 'source'],
  ['no timestamp', { timestamp: undefined }, 'timestamp'],
  ['a timestamp in the year 0', { timestamp: { seconds: -62_135_596_801n, nanos: 0 } }, 'timestamp'],
  ['a timestamp in the year 10000', { timestamp: { seconds: 253_402_300_800n, nanos: 0 } }, 'timestamp'],
  ['a timestamp with too many nanos', { timestamp: { seconds: 0n, nanos: 1_000_000_000 } }, 'timestamp'],
  ['a timestamp with negative nanos', { timestamp: { seconds: 0n, nanos: -1 } }, 'timestamp'],
  ['both kinds of payload', { payload: Buffer.from(struct({})) }, 'payload'],
  ['a payload that is an array', asJson('[1]'), 'payload'],
  ['a payload that is text', asJson('"x"'), 'payload'],
  ['a payload that is no JSON', asJson('{"a":}'), 'payload.a'],
  ['an empty payload_json', asJson(''), 'payload'],
  ['trailing garbage', asJson('{} {}'), 'payload'],
  ['duplicate keys', asJson('{"a":{"b":1,"b":2}}'), 'payload.a.b'],
  ['NUL in a string', asJson('{"a":"x\\u0000"}'), 'payload.a'],
  ['NUL in a key', asJson('{"a\\u0000":1}'), 'payload'],
  ['a lone surrogate', asJson('{"a":["\\ud800"]}'), 'payload.a[0]'],
  ['a number that Postgres cannot hold', asJson('{"a":{"b":1e200000}}'), 'payload.a.b'],
  ['numbers that are long once they are written out', asJson('{"a":[1e2000,1e3000]}'), 'payload.a[1]'],
  ['such numbers in a Struct', asStruct({ a: Array(20).fill(1e300) }), 'payload.a[13]'],
  ['a __proto__ key', asJson('{"a":{"__proto__":{}}}'), 'payload.a.__proto__'],
  ['too deep nesting', asJson(JSON.stringify(nested(9))), `payload${'.a'.repeat(8)}`],
  ['broken UTF-8 in payload_json', { payloadJson: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }, 'payload'],
  ['an event over its size limit', asJson(`{"a":"${'x'.repeat(4096)}"}`), 'payload'],
  ['NaN in a Struct', asStruct({ a: { b: Number.NaN } }), 'payload.a.b'],
  ['infinity in a Struct', asStruct({ a: [1, Number.POSITIVE_INFINITY] }), 'payload.a[1]'],
  ['NUL in a Struct', asStruct({ a: 'x\0' }), 'payload.a'],
  ['too deep a Struct', asStruct(nested(9)), `payload${'.a'.repeat(8)}`],
  ['a Struct over the size limit', asStruct({ a: 'x'.repeat(4096) }), 'payload'],
  ['a payload that is no Struct', { payload: Buffer.from([0x0a, 0xff]), payloadJson: undefined }, 'payload'],
];

test.each(cases)('%s is refused by index and field, and nothing is published', async (_, change, field) => {
  const error = await refusal(request([good, { ...good, ...change }]));
  expect(error.code).toBe('INVALID_ARGUMENT');
  expect(error.fields).toMatchObject([{ index: 1, field }]);
  expect(error.message).toContain(`events[1].${field}`);
  expect(await gateway.messages()).toEqual([]);
});

test('the headers of a refusal stay small enough for every client, whatever is wrong', async () => {
  const key = 'é\n'.repeat(900);
  const events = Array.from({ length: 5 }, () => ({
    ...good,
    ...asStruct({ [key]: { [key]: { [key]: Number.NaN } } }),
  }));
  const { cause, fields } = await refusal(request(events));
  const { metadata, details } = cause as ServiceError;
  const [encoded] = metadata.get('grpc-status-details-bin');
  // grpc-java takes 8 KiB.
  expect(encodeURI(details).length + (Buffer.from(encoded ?? '').length * 4) / 3).toBeLessThan(7_500);
  expect(fields[0]).toMatchObject({ index: 0, field: expect.stringMatching(/^payload\[/) });
});

test('of a name that is too long an answer holds the beginning', async () => {
  const { results } = await send(request([{ ...good, topic: text('x'.repeat(50_000)) }], { allowPartial: true }));
  expect(results).toMatchObject([{ outcome: Outcome.OUTCOME_REJECTED, topic: 'x'.repeat(1020) }]);
});

test('a request without events, with too many, or with an unknown wait_for is refused as a whole', async () => {
  expect((await refusal(request([]))).fields).toMatchObject([{ field: 'events' }]);
  expect((await refusal(request(Array(6).fill(good)))).fields).toMatchObject([{ field: 'events' }]);
  expect((await refusal(request([good], { waitFor: 9 }))).fields).toMatchObject([{ field: 'wait_for' }]);
});

test('bytes that are no request are refused, and the gateway goes on', async () => {
  for (const bytes of [[0x0a, 0xff, 0xff, 0xff, 0x7f], [0xff], [0x0a, 0x05, 0x0a, 0xff]]) {
    expect(await refusal(Buffer.from(bytes))).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'UNDECODABLE' });
  }
  expect((await fetch(gateway.health)).ok).toBe(true);
});

test('with allow_partial each event has its verdict, and the good ones are published', async () => {
  const { received, accepted, rejected, results } = await send(
    request(
      [
        { ...good, eventId: text('p1') },
        { ...good, topic: text('') },
        { ...good, eventId: text('p2') },
      ],
      { allowPartial: true },
    ),
  );
  expect({ received, accepted, rejected }).toEqual({ received: 3, accepted: 2, rejected: 1 });
  expect(results.map(({ outcome }) => outcome)).toEqual([
    Outcome.OUTCOME_ACCEPTED,
    Outcome.OUTCOME_REJECTED,
    Outcome.OUTCOME_ACCEPTED,
  ]);
  expect(results[1]?.error).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'topic' });
  expect(await gateway.messages()).toHaveLength(2);
  await gateway.jsm.streams.purge(gateway.names.stream);
});

test('the longest text that is allowed is taken', async () => {
  const wide = text('\u{1f600}'.repeat(255));
  const { accepted } = await send(request([{ ...good, topic: wide, eventId: wide, source: wide }]));
  expect(accepted).toBe(1);
});
