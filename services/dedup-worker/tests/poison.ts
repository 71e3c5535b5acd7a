import { randomBytes } from 'node:crypto';
import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';

export const text = (value: string) => Buffer.from(value);
export const copyOf = (eventId: Buffer, payload: Buffer, timestampUs = 1_700_000_000_000_000n, topic = text('t')) =>
  Copy.encode({ topic, eventId, source: text('s'), payload, timestampUs, replyTo: '', ticket: 0n }).finish();

// One of each kind that gets past a gateway only by a bug.
export const poison: readonly (readonly [what: string, body: Uint8Array, code: string])[] = [
  ['NUL in text', copyOf(text('a\0b'), text('{}')), '22021'],
  ['broken UTF-8 in text', copyOf(Buffer.from([0x61, 0xff]), text('{}')), '22021'],
  ['\\u0000 in JSON', copyOf(text('nul'), text('{"a":"\\u0000"}')), '22P05'],
  ['a lone surrogate in JSON', copyOf(text('surrogate'), text('{"a":"\\ud800"}')), '22P02'],
  ['no JSON', copyOf(text('nojson'), text('{"a":')), '22P02'],
  ['a number out of range', copyOf(text('number'), text('{"a":1e200000}')), '22003'],
  ['a key longer than an index takes', copyOf(text(randomBytes(3000).toString('hex')), text('{}')), '54000'],
  [
    'nesting deeper than the stack of Postgres',
    copyOf(text('deep'), text(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)),
    '54001',
  ],
  ['a timestamp out of range', copyOf(text('time'), text('{}'), -300_000_000_000_000_000n), '22008'],
  ['bytes that are no message', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]), 'UNDECODABLE'],
  ['an empty message', new Uint8Array(0), 'UNDECODABLE'],
].map(([what, body, code]) => [what as string, body as Uint8Array, code as string]);
