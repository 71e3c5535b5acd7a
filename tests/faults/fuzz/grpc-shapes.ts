import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Random } from '../random.js';
import type { Doors } from './doors.js';
import { frameOf, type GrpcLine, type RawCall } from './grpc-line.js';
import { publishPath } from './send-publishes.js';
import { nestedGroups } from './wire.js';

const listPath = '/eventsieve.v1.QueryService/ListEvents';
const empty = Buffer.alloc(0);
let bomb: Buffer | undefined;
const bombOf = () => {
  bomb ??= gzipSync(Buffer.alloc(96 * 1024 ** 2));
  return bomb;
};

type Shape = (random: Random, path: string) => RawCall;

/** What no client should send: frames that lie, compression that is none, headers and paths of every kind. */
const shapes: Readonly<Record<string, Shape>> = {
  'no frame at all': (_, path) => ({ path, data: empty }),
  'half a head': (_, path) => ({ path, data: Buffer.from([0, 0, 0]) }),
  'a length that is too long': (random, path) => ({ path, data: frameOf(Buffer.from('ab'), 0, random.whole(3, 900)) }),
  'a length of 4 GiB': (_, path) => ({ path, data: frameOf(Buffer.from('ab'), 0, 0xffffffff) }),
  'a length that is too short': (_, path) => ({ path, data: frameOf(Buffer.alloc(40), 0, 3) }),
  'several messages': (_, path) => ({ path, data: Buffer.concat([frameOf(empty), frameOf(empty), frameOf(empty)]) }),
  'half a frame, then silence': (_, path) => ({ path, data: frameOf(Buffer.alloc(9), 0, 90), silent: true }),
  'headers, then silence': (_, path) => ({ path, data: empty, silent: true }),
  'a flag that says compressed': (_, path) => ({ path, data: frameOf(Buffer.alloc(9), 1) }),
  'a flag of no meaning': (random, path) => ({ path, data: frameOf(Buffer.alloc(9), random.whole(2, 255)) }),
  'gzip that is none': (_, path) => ({
    path,
    data: frameOf(Buffer.from('no gzip'), 1),
    headers: { 'grpc-encoding': 'gzip' },
  }),
  'half of a gzip': (_, path) => ({
    path,
    data: frameOf(gzipSync(Buffer.alloc(5_000)).subarray(0, 20), 1),
    headers: { 'grpc-encoding': 'gzip' },
  }),
  'deflate that is gzip': (_, path) => ({
    path,
    data: frameOf(gzipSync(empty), 1),
    headers: { 'grpc-encoding': 'deflate' },
  }),
  'an unknown compression': (_, path) => ({ path, data: frameOf(empty, 1), headers: { 'grpc-encoding': 'zstd' } }),
  'a gzip bomb': (_, path) => ({ path, data: frameOf(bombOf(), 1), headers: { 'grpc-encoding': 'gzip' } }),
  'too large': (_, path) => ({ path, data: frameOf(Buffer.alloc(17 * 1024 ** 2)) }),
  'groups in groups': (_, path) => ({ path, data: frameOf(nestedGroups(200_000, 60)) }),
  'another content-type': (random, path) => ({
    path,
    data: frameOf(empty),
    headers: { 'content-type': random.pick(['text/html', 'application/json', 'application/grpc-web', '', 'grpc']) },
  }),
  'a deadline of no sense': (random, path) => ({
    path,
    data: frameOf(empty),
    headers: { 'grpc-timeout': random.pick(['0n', '1n', '-1S', 'soon', '99999999H', '123456789S', '', '1']) },
  }),
  'many headers': (random, path) => ({
    path,
    data: frameOf(empty),
    headers: Object.fromEntries(Array.from({ length: random.whole(1, 400) }, (_, i) => [`x-${i}`, 'x'.repeat(20)])),
  }),
  'a long header': (_, path) => ({ path, data: frameOf(empty), headers: { 'x-long': 'x'.repeat(60_000) } }),
  'binary headers that are none': (_, path) => ({
    path,
    data: frameOf(empty),
    headers: { 'x-bin': '%%%', 'grpc-trace-bin': '=', 'grpc-status': '99', 'grpc-message': '%ff' },
  }),
  'another path': (random) => ({
    path:
      random.pick(['/', '//', '/x', '/eventsieve.v1.IngestService/', '/eventsieve.v1.IngestService/publish', '*']) +
      random.pick(['', '?x=1', '%00', '/../..', 'x'.repeat(3_000)]),
    data: frameOf(empty),
  }),
  'another method': (random, path) => ({
    path,
    data: empty,
    headers: { ':method': random.pick(['GET', 'PUT', 'OPTIONS', 'PROPFIND']) },
  }),
};

/** INTERNAL or UNKNOWN may be the gRPC library's word for such frames, but never our own. */
export async function sendGrpcShapes(
  random: Random,
  lines: { readonly gateway: GrpcLine; readonly query: GrpcLine },
  find: (what: string) => void,
): Promise<number> {
  let sent = 0;
  for (const [name, shape] of random.shuffled(Object.entries(shapes))) {
    for (const [line, path] of [
      [lines.gateway, publishPath],
      [lines.query, listPath],
    ] as const) {
      const { code, message, own, late } = await line.call(shape(random, path));
      sent++;
      if (late) find(`${name} to ${path}: no answer`);
      if (own && (code === 13 || code === 2)) find(`${name} to ${path}: answered with ${code} (${message})`);
    }
  }
  return sent;
}

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const http2Frame = (type: number, flags: number, stream: number, payload: Uint8Array, length = payload.length) => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
const settings = http2Frame(4, 0, 0, empty);

/** Whole connections of nonsense: each is closed, or hung up on after a moment. */
const connections: readonly (() => Uint8Array)[] = [
  () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
  () => Buffer.from([0x16, 0x03, 0x01, 0x02, 0, 0x01, 0, 0x01, 0xfc, 0x03, 0x03]),
  () => Buffer.from('\0'.repeat(5_000)),
  () => Buffer.from(preface),
  () => Buffer.concat([Buffer.from(preface), Buffer.alloc(3_000, 0xff)]),
  () => Buffer.concat([Buffer.from(preface), settings, http2Frame(0, 0, 0, empty)]),
  () => Buffer.concat([Buffer.from(preface), settings, http2Frame(1, 4, 2, Buffer.from([0x82]))]),
  () => Buffer.concat([Buffer.from(preface), settings, http2Frame(1, 4, 1, Buffer.alloc(50, 0xff))]),
  () => Buffer.concat([Buffer.from(preface), settings, http2Frame(8, 0, 0, Buffer.alloc(4))]),
  () => Buffer.concat([Buffer.from(preface), ...Array<Uint8Array>(3_000).fill(settings)]),
  () =>
    Buffer.concat([
      Buffer.from(preface),
      settings,
      ...Array<Uint8Array>(3_000).fill(http2Frame(6, 0, 0, Buffer.alloc(8))),
    ]),
  () =>
    Buffer.concat([
      Buffer.from(preface),
      settings,
      http2Frame(1, 0, 1, Buffer.from([0x82])),
      ...Array<Uint8Array>(2_000).fill(http2Frame(9, 0, 1, Buffer.alloc(20, 0x40))),
    ]),
  rapidResets,
];

/** Streams that are opened and reset at once, again and again. */
function rapidResets(): Buffer {
  const head = Buffer.concat([
    Buffer.from([0x83, 0x86]),
    Buffer.from([0x04, 0x01, 0x2f]),
    Buffer.from([0x01, 0x01, 0x78]),
  ]);
  const streams = Array.from({ length: 1_000 }, (_, i) =>
    Buffer.concat([http2Frame(1, 4, i * 2 + 1, head), http2Frame(3, 0, i * 2 + 1, Buffer.from([0, 0, 0, 8]))]),
  );
  return Buffer.concat([Buffer.from(preface), settings, ...streams]);
}

export async function sendGrpcNonsense(random: Random, { gateway, query }: Doors): Promise<number> {
  let sent = 0;
  for (const bytes of random.shuffled(connections)) {
    for (const address of [gateway, query]) {
      await new Promise<void>((resolve) => {
        const [host = '', port = ''] = address.split(':');
        const socket = connect(Number(port), host, () => socket.write(bytes()));
        socket.setTimeout(150, () => socket.destroy());
        socket.on('data', () => undefined).on('error', () => undefined);
        socket.on('close', () => resolve());
      });
      sent++;
    }
  }
  return sent;
}
