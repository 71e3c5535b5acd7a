import type { Msg } from '@nats-io/transport-node';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAck } from './read-ack.js';

const ackOf = (text: string) =>
  readAck({ data: Buffer.from(text), headers: undefined, json: () => JSON.parse(text) } as unknown as Msg);

test.each([
  ['a message that is stored', '{"stream":"EVENTSIEVE","seq":1042}', { kind: 'stored', sequence: 1042 }],
  ['the same with a space after', '{"stream":"EVENTSIEVE","seq":1042} ', { kind: 'stored', sequence: 1042 }],
  ['the same in a domain', '{"stream":"EVENTSIEVE","seq":7,"domain":"hub"}', { kind: 'stored', sequence: 7 }],
  ['the same, in another order', '{"seq":7,"stream":"EVENTSIEVE"}', { kind: 'stored', sequence: 7 }],
  ['a duplicate', '{"stream":"EVENTSIEVE","seq":7,"duplicate":true}', { kind: 'duplicate', sequence: 7 }],
  ['a duplicate, in another order', '{"stream":"E","duplicate":true,"seq":7}', { kind: 'duplicate', sequence: 7 }],
  [
    'a duplicate in a domain that is named before',
    '{"stream":"E","duplicate":true,"domain":"hub","seq":7}',
    { kind: 'duplicate', sequence: 7 },
  ],
  [
    'a refusal',
    '{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"E","seq":0}',
    { kind: 'refused', code: 10077, description: 'maximum messages exceeded' },
  ],
  ['a refusal of another kind', '{"error":"x","seq":7}', { kind: 'refused', code: 0, description: 'refused' }],
  [
    'a refusal that names a sequence',
    '{"error":{"code":400,"description":"no"},"stream":"E","seq":7}',
    { kind: 'refused', code: 400, description: 'no' },
  ],
])('%s', (_, text, ack) => {
  expect(ackOf(text)).toEqual(ack);
});

test('nobody there is a refusal', () => {
  const nobody = { data: new Uint8Array(0), headers: { code: 503 } } as unknown as Msg;
  expect(readAck(nobody)).toMatchObject({ kind: 'refused', code: 503 });
});

test.each(['', '}', '{}', 'seq":5}', '{"stream":"E","seq":}', '{"stream":"E","seq":"5"}', '{"stream":"E","seq":5'])(
  'what cannot be read says nothing: %s',
  (text) => {
    expect(ackOf(text)).toMatchObject({ kind: 'unknown' });
  },
);

test('neither do headers that the client cannot read', () => {
  const data = new Uint8Array(0);
  const get = () => {
    throw new Error("' ' is not a valid character in a header name");
  };
  expect(readAck(Object.defineProperty({ data }, 'headers', { get }) as unknown as Msg)).toMatchObject({
    kind: 'unknown',
  });
});

test('a name and a sequence are read as JSON has them', () => {
  const name = fc.string({ maxLength: 20, unit: 'grapheme' });
  fc.assert(
    fc.property(name, fc.nat(Number.MAX_SAFE_INTEGER), (stream, seq) => {
      expect(ackOf(JSON.stringify({ stream, seq }))).toEqual({ kind: 'stored', sequence: seq });
    }),
  );
});
