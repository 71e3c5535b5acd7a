import { Kind, type MsgArg, type NatsConnection, Parser, type ParserEvent } from '@nats-io/transport-node';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { MessageParser, parseMessagesAtOnce } from './message-parser.js';

const length = (of: string) => Buffer.byteLength(of);
const message = (to: string, body: string) => `MSG ${to} ${length(body)}\r\n${body}\r\n`;
const withHeaders = (to: string, headers: string, body: string) =>
  `HMSG ${to} ${length(headers)} ${length(headers + body)}\r\n${headers}${body}\r\n`;

const lines = {
  info: 'INFO {"server_id":"a b","max_payload":1048576}\r\n',
  ping: 'PING\r\n',
  pong: 'PONG\r\n',
  ok: '+OK\r\n',
  refused: '-ERR \'Permissions Violation for Subscription to "x y"\'\r\n',
  empty: message('a 1', ''),
  plain: message('es.events.orders 12', 'hello'),
  withReply: message('es.events.orders 12 $JS.ACK.s.c.1.2.3.4.5', 'hello'),
  looksLikeLines: message('a.b 7', 'MSG a 1 1\r\nx\r\nPING\r\n\r\n\r\n'),
  headers: withHeaders('orders 12 $JS.ACK.s.c.1.2.3.4.5', 'NATS/1.0\r\nNats-Msg-Id: abcdefgh\r\n\r\n', 'hello'),
  headersOnly: withHeaders('_INBOX.x 3', 'NATS/1.0 503\r\n\r\n', ''),
  severalSpaces: 'MSG  a.b   7 2\r\nhi\r\n',
  tabs: 'MSG\ta.b\t7\t2\r\nhi\r\n',
  smallLetters: 'msg a.b 7 2\r\nhi\r\n',
  smallHeaders: 'hmsg a.b 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
  onlyNewline: 'MSG a.b 7 2\nhi\r\n',
  noCarriageReturn: 'MSG a.b 7 2\r\nhi\n\n',
  lateEnd: 'MSG a.b 7 2\r\nhi and more\r\n',
  lateEndLikeAMessage: 'MSG a.b 7 2\r\nhixyMSG a 1 4\r\nPING\r\n',
  spaceBeforeSize: 'MSG a.b 7  2\r\nhi\r\n',
  utf8: message('es.events.größe 12', 'Grüße'),
  large: message('big 4', '0123456789'.repeat(7000)),
  longInfo: `INFO {"connect_urls":["${'x'.repeat(70_000)}"]}\r\n`,
};

interface Seen {
  readonly kind: number;
  readonly subject?: string;
  readonly reply?: string | undefined;
  readonly sid?: number;
  readonly hdr?: number;
  readonly size?: number;
  readonly data?: string | undefined;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function seen({ kind, msg, data }: ParserEvent): Seen {
  const given = data && text(data);
  if (msg === undefined) return { kind, data: given };
  const { subject, reply, sid, hdr, size }: MsgArg = msg;
  return { kind, subject: text(subject), reply: reply && text(reply), sid, hdr, size, data: given };
}

/** What a parser makes of chunks, and what it threw at the end. */
function read(make: typeof Parser, chunks: readonly Uint8Array[]): { events: Seen[]; error?: string } {
  const events: Seen[] = [];
  const parser = new make({ push: (event) => void events.push(seen(event as ParserEvent)) });
  try {
    for (const chunk of chunks) parser.parse(chunk);
    return { events };
  } catch (error) {
    // Behind it stands whatever else had come by then.
    return { events, error: /^Error: ([^:]*)/.exec(String(error))?.[1] ?? '' };
  }
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...new Set(places)].sort((a, b) => a - b);
  return sorted.map((from, index) => Buffer.from(bytes.subarray(from, sorted[index + 1])));
}

it.each(Object.entries(lines))('reads %s as the client does, wherever it is cut', (_name, line) => {
  const bytes = Buffer.from(`${lines.plain}${line}${lines.headers}`);
  const whole = read(Parser, [bytes]);
  expect(whole.events.length).toBeGreaterThan(2);
  expect(whole.error).toBeUndefined();
  expect(read(MessageParser, [bytes])).toEqual(whole);
  const step = Math.ceil(bytes.length / 500);
  for (let at = 1; at < bytes.length; at += step) {
    expect(read(MessageParser, cut(bytes, [at]))).toEqual(whole);
    expect(read(MessageParser, cut(bytes, [at, Math.min(at + step, bytes.length - 1)]))).toEqual(whole);
  }
});

it('reads any order of them in chunks of any size as the client does', () => {
  const orders = fc.array(fc.constantFrom(...Object.values(lines)), { minLength: 1, maxLength: 40 });
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(orders, shares, (order, at) => {
      const bytes = Buffer.from(order.join(''));
      const client = read(Parser, [bytes]);
      expect(client.error).toBeUndefined();
      const places = at.map((share) => Math.floor(share * bytes.length));
      expect(read(MessageParser, cut(bytes, places))).toEqual(client);
    }),
  );
});

it('reads byte by byte', () => {
  const bytes = Buffer.from(`${lines.info}${lines.headers}${lines.ping}${lines.withReply}`);
  const single = Array.from(bytes, (byte) => Buffer.of(byte));
  expect(read(MessageParser, single)).toEqual(read(Parser, [bytes]));
});

it.each([
  'MSG a.b x 2\r\nhi\r\n',
  'MSG a.b 7 -2\r\nhi\r\n',
  'MSG a.b 7 1e1\r\nhi\r\n',
  'MSG 7 2\r\nhi\r\n',
  'MSG  7 2\r\nhi\r\n',
  'MSG a.b 7 r 9 2\r\nhi\r\n',
  'MSG a.b 7 67108865\r\n',
  'MSG a.b 7 12345678901234567890\r\n',
  'HMSG a.b 7 5 2\r\nhi\r\n',
  'HMSG a.b 7 2\r\nhi\r\n',
  'HMSG a.b 7 x 2\r\nhi\r\n',
  'MXG a.b 7 2\r\nhi\r\n',
  'Hello\r\n',
  '\r\n',
])('says of %j what the client does', (line) => {
  const bytes = Buffer.from(`${lines.plain}${line}${lines.plain}`);
  const client = read(Parser, [bytes]);
  expect(client.error).toMatch(/error/i);
  expect(read(MessageParser, [bytes])).toEqual(client);
});

it('looks at the words of a line where they are, also when the message came in pieces', () => {
  const events: ParserEvent[] = [];
  const parser = new MessageParser({ push: (event) => void events.push(event as ParserEvent) });
  const bytes = Buffer.from(`${lines.headers}${lines.withReply}`.repeat(3));
  for (const chunk of cut(bytes, [20, 90, 140, 150, 260])) parser.parse(chunk);
  expect(events.map((event) => seen(event))).toEqual(read(Parser, [bytes]).events);
});

it('takes over in the middle of what the client had begun to read, and again after a reconnect', () => {
  const events: Seen[] = [];
  const dispatcher = { push: (event: unknown) => void events.push(seen(event as ParserEvent)) };
  const protocol = Object.assign(dispatcher, { parser: new Parser(dispatcher) });
  const bytes = Buffer.from(`${lines.info}${lines.plain}`);
  protocol.parser.parse(bytes.subarray(0, 10));

  parseMessagesAtOnce({ protocol } as unknown as NatsConnection);
  expect(protocol.parser).toBeInstanceOf(MessageParser);
  protocol.parser.parse(bytes.subarray(10));
  expect(events).toEqual(read(Parser, [bytes]).events);

  const before = protocol.parser;
  before.parse(Buffer.from('MSG half'));
  protocol.parser = new Parser(dispatcher);
  expect(protocol.parser).toBeInstanceOf(MessageParser);
  expect(protocol.parser).not.toBe(before);
  events.length = 0;
  protocol.parser.parse(bytes);
  expect(events).toEqual(read(Parser, [bytes]).events);
});

it('throws what a message was not taken for where nobody catches it, and reads on', () => {
  const thrown: unknown[] = [];
  vi.stubGlobal('queueMicrotask', (task: () => void) => {
    try {
      task();
    } catch (error) {
      thrown.push(error);
    }
  });
  const events: Seen[] = [];
  const protocol = {
    parser: undefined as unknown as Parser,
    push(event: ParserEvent) {
      events.push(seen(event));
      if (event.kind === Kind.MSG && event.data?.length) throw new Error('a bug');
      if (event.kind === Kind.ERR) throw new Error('refused');
    },
  };
  protocol.parser = new Parser(protocol as never);
  try {
    parseMessagesAtOnce({ protocol } as unknown as NatsConnection);
    const bytes = Buffer.from(`${lines.plain}${lines.smallLetters}${lines.headers}${lines.empty}`);
    protocol.parser.parse(bytes);
    expect(events).toEqual(read(Parser, [bytes]).events);
    expect(thrown).toEqual(Array(3).fill(new Error('a bug')));

    // As after a reconnect.
    protocol.parser = new Parser(protocol as never);
    protocol.parser.parse(bytes);
    expect(thrown).toHaveLength(6);

    expect(() => protocol.parser.parse(Buffer.from(lines.refused))).toThrow('refused');
    expect(thrown).toHaveLength(6);
  } finally {
    vi.unstubAllGlobals();
  }
});
