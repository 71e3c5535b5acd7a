import { PublishRequest, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { type ReadyEvent, requestTail, writeEvent } from '@eventsieve/contract/request-writing';
import { newWireBuffer } from '@eventsieve/contract/wire-writing';
import { expect, test } from 'vitest';
import { type EventFault, readEvent } from './encode-event.js';
import type { NewEvent } from './event.js';

const nowMs = 1_714_564_800_123;

function ready(event: Partial<NewEvent>): ReadyEvent {
  const read = readEvent({ topic: 't', eventId: 'e', source: 's', ...event } as NewEvent, nowMs);
  if (!('topic' in read)) throw new Error(JSON.stringify(read));
  return read;
}

const faultsOf = (event: unknown) => readEvent(event as NewEvent, nowMs) as readonly EventFault[];

function encoded(events: readonly ReadyEvent[], room = 16): Buffer {
  const wire = newWireBuffer(room);
  for (const event of events) writeEvent(wire, event);
  return Buffer.concat([wire.bytes.subarray(0, wire.at), requestTail(WaitFor.WAIT_FOR_STORED, true)]);
}

test('the bytes are those that the generated code writes, whatever the lengths, characters and times', () => {
  const lengths = [0, 1, 42, 43, 100, 126, 127, 128, 129, 200, 5_461, 5_462, 16_383, 16_384, 16_385, 70_000];
  const characters = ['a', 'ä', '€', '😀'];
  const times = [0, 1, 999, -1, -62_135_596_800_000, 253_402_300_799_999, nowMs, 2 ** 31 * 1000, 2 ** 35 * 1000];
  const events = lengths.flatMap((length) =>
    characters.map((character, place) =>
      ready({
        topic: character.repeat(length % 300),
        eventId: characters[(place + 1) % 4]?.repeat(length % 200) ?? '',
        timestamp: new Date(times[(length + place) % times.length] as number),
        payload: undefined,
        payloadJson: character.repeat(length),
      } as Partial<NewEvent>),
    ),
  );
  events.push(
    ...times.map((ms) => ready({ timestamp: new Date(ms) })),
    ready({ timestamp: '1969-12-31T23:59:59.999999999Z' }),
  );
  const generated = PublishRequest.encode({
    events: events.map(({ seconds, nanos, ...event }) => ({
      ...event,
      timestamp: { seconds: BigInt(seconds), nanos },
    })),
    waitFor: WaitFor.WAIT_FOR_STORED,
    allowPartial: true,
  }).finish();
  expect(encoded(events).equals(generated)).toBe(true);
  for (const event of events) {
    const { events: back } = PublishRequest.decode(encoded([event]));
    expect(back[0]).toMatchObject({ topic: event.topic, eventId: event.eventId, payloadJson: event.payloadJson });
  }
});

test('what an event leaves open is filled in: its id, the time of the call, an empty payload', () => {
  const { eventId, ...rest } = ready({ eventId: undefined });
  expect(rest).toEqual({ topic: 't', source: 's', seconds: 1_714_564_800, nanos: 123_000_000, payloadJson: '{}' });
  expect(eventId).toMatch(/^[0-9a-f-]{36}$/);
});

test('payloads are the JSON that they are, and what JSON would alter is refused', () => {
  expect(ready({ payload: { a: null, b: [1, 'null'] } }).payloadJson).toBe('{"a":null,"b":[1,"null"]}');
  expect(ready({ payload: undefined, payloadJson: '' }).payloadJson).toBe('');
  const base = { topic: 't', eventId: 'e', source: 's' };
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const faults = [
    { ...base, payload: { a: { b: Number.NaN } } },
    { ...base, payload: { a: Number.NEGATIVE_INFINITY } },
    { ...base, payload: { a: 1n } },
    { ...base, payload: circle },
    { ...base, payload: { toJSON: () => undefined } },
    { ...base, payload: [] },
    { ...base, payload: null },
    { ...base, payload: {}, payloadJson: '{}' },
    { ...base, payloadJson: 5 },
    { ...base, payloadJson: '"\ud800"' },
  ].map((event) => faultsOf(event).map(({ field, message }) => `${field}: ${message}`));
  expect(faults).toEqual([
    ['payload: cannot be JSON: "b" is NaN'],
    ['payload: cannot be JSON: "a" is -Infinity'],
    ['payload: cannot be JSON: Do not know how to serialize a BigInt'],
    ['payload: cannot be JSON: Converting circular structure to JSON'],
    ['payload: cannot be JSON: its toJSON gives none'],
    ['payload: must be an object'],
    ['payload: must be an object'],
    ['payload: is given twice, as object and as text'],
    ['payload_json: must be a string, not a number'],
    ['payload_json: contains a lone surrogate'],
  ]);
});

test('each field at fault is named', () => {
  expect(faultsOf({ eventId: null, source: 7, timestamp: 'soon', payload: [] }).map(({ field }) => field)).toEqual([
    'topic',
    'event_id',
    'source',
    'timestamp',
    'payload',
  ]);
  expect(faultsOf(undefined)).toEqual([{ field: '', message: 'must be an object' }]);
});
