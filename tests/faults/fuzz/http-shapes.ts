import { gzipSync } from 'node:zlib';
import type { Random } from '../random.js';
import { answerFault, exchange } from './http-line.js';

const json = 'content-type: application/json';
const event = '{"topic":"shapes","event_id":"1","source":"s","timestamp":"2024-05-01T12:00:00Z"}';
const post = (body: string | Uint8Array, ...lines: readonly string[]): (string | Uint8Array)[] => [
  ['POST /publish HTTP/1.1', 'host: x', ...lines, '', ''].join('\r\n'),
  body,
];
const sized = (body: string | Uint8Array, length: number | string, ...lines: readonly string[]) =>
  post(body, json, `content-length: ${length}`, ...lines);
const get = (path: string, ...lines: readonly string[]) =>
  [`GET ${path} HTTP/1.1\r\nhost: x`, ...lines, '', ''].join('\r\n');
const chunked = (body: string | Uint8Array) => post(body, json, 'transfer-encoding: chunked');
const bomb = gzipSync(Buffer.alloc(40 * 1024 ** 2, 0x20));

type Pieces = readonly (string | Uint8Array)[];

/** What no client should send. A connection that the server leaves open is hung up on. */
const shapes: Readonly<Record<string, () => Pieces>> = {
  'a body that stops': () => sized(event.slice(0, 9), event.length),
  'a body that is longer than it says': () => sized(`${event}${event}`, event.length),
  'a negative length': () => sized(event, -1),
  'a length of words': () => sized(event, 'many'),
  'a huge length': () => sized(event, '99999999999999999999999'),
  'two lengths': () => sized(event, event.length, `content-length: 3`),
  'a length and chunks': () => sized(`0\r\n\r\n`, 5, 'transfer-encoding: chunked'),
  'chunks without a size': () => chunked('\r\n\r\n'),
  'a chunk of a wrong size': () => chunked('zz\r\nabc\r\n0\r\n\r\n'),
  'a chunk that lies': () => chunked(`3\r\n${event}\r\n0\r\n\r\n`),
  'a huge chunk': () => chunked('ffffffffffffffff\r\nabc'),
  'a chunk with a long extension': () => chunked(`3;${'x'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`),
  'chunks and trailers': () => chunked(`2\r\n{}\r\n0\r\nx-a: 1\r\ncontent-length: 5\r\n\r\n`),
  'another transfer encoding': () => post(event, json, 'transfer-encoding: gzip'),
  'both transfer encodings': () => post('0\r\n\r\n', json, 'transfer-encoding: gzip, chunked'),
  'no host': () => ['GET /stats HTTP/1.1\r\n\r\n'],
  'two hosts': () => ['GET /stats HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
  'HTTP/1.0': () => ['GET /stats HTTP/1.0\r\n\r\n'],
  'HTTP/0.9': () => ['GET /stats\r\n'],
  'HTTP/3.7': () => ['GET /stats HTTP/3.7\r\nhost: x\r\n\r\n'],
  'the preface of HTTP/2': () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  TLS: () => [Buffer.from([0x16, 0x03, 0x01, 0x02, 0, 0x01, 0, 0x01, 0xfc, 0x03, 0x03])],
  zeros: () => [Buffer.alloc(3_000)],
  'an upgrade': () => [get('/stats', 'connection: upgrade', 'upgrade: websocket')],
  'an upgrade to HTTP/2': () => [get('/stats', 'connection: Upgrade, HTTP2-Settings', 'upgrade: h2c')],
  'an expectation': () => sized(event, event.length, 'expect: miracles'),
  'many headers': () => [get('/stats', ...Array.from({ length: 3_000 }, (_, i) => `x-${i}: 1`))],
  'a long header': () => [get('/stats', `x-long: ${'x'.repeat(100_000)}`)],
  'NUL in a header': () => [get('/stats', 'x-a: a\0b')],
  'a folded header': () => [get('/stats', 'x-a: a', ' b')],
  'a header without a colon': () => [get('/stats', 'x-a')],
  'an odd method': () => ['PROPFIND /publish HTTP/1.1\r\nhost: x\r\n\r\n'],
  'no method': () => ['PUBLISH /publish HTTP/1.1\r\nhost: x\r\n\r\n'],
  CONNECT: () => ['CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n'],
  TRACE: () => ['TRACE /stats HTTP/1.1\r\nhost: x\r\n\r\n'],
  'OPTIONS of everything': () => ['OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n'],
  'a whole URL': () => [get('http://elsewhere.example/stats')],
  'a space in the path': () => [get('/events/a b')],
  'no content-type': () => post(event, `content-length: ${event.length}`),
  'an empty content-type': () => post(event, 'content-type:', `content-length: ${event.length}`),
  'an odd content-type': () => post(event, 'content-type: application/json;;;', `content-length: ${event.length}`),
  'another charset': () =>
    post(event, 'content-type: application/json; charset=utf-16', `content-length: ${event.length}`),
  'many content-types': () => post(event, `content-type: ${'a/b,'.repeat(500)}`, `content-length: ${event.length}`),
  'gzip twice': () =>
    sized(gzipSync(gzipSync(event)), gzipSync(gzipSync(event)).length, 'content-encoding: gzip, gzip'),
  'an empty gzip': () => sized('', 0, 'content-encoding: gzip'),
  'gzip and more': () =>
    sized(Buffer.concat([gzipSync(event), Buffer.from('x')]), gzipSync(event).length + 1, 'content-encoding: gzip'),
  'two gzips': () =>
    sized(Buffer.concat([gzipSync(event), gzipSync(event)]), gzipSync(event).length * 2, 'content-encoding: gzip'),
  'a gzip bomb': () => sized(bomb, bomb.length, 'content-encoding: gzip'),
  'a body to a page': () => [`GET /stats HTTP/1.1\r\nhost: x\r\n${json}\r\ncontent-length: 2\r\n\r\n`, '{}'],
  'line feeds alone': () => ['GET /stats HTTP/1.1\nhost: x\n\n'],
  'empty lines first': () => [`\r\n\r\n\r\n${get('/stats')}`],
};

/** Where the contract leaves no choice. */
const wanted: Readonly<Record<string, number>> = {
  'a gzip bomb': 413,
  'no host': 400,
  'a huge length': 400,
  'two lengths': 400,
  'no content-type': 415,
};

/** Every answer is one of the contract, or there is none. */
export async function sendHttpShapes(random: Random, address: string, find: (what: string) => void): Promise<number> {
  let sent = 0;
  const check = async (name: string, pieces: Pieces, options = {}) => {
    const { answers, rest } = await exchange(address, pieces, options);
    sent++;
    for (const answer of answers) {
      const fault = answerFault(answer);
      if (fault !== undefined) find(`${name}: ${fault}`);
    }
    if (rest !== '') find(`${name}: what came back is no HTTP: ${JSON.stringify(rest)}`);
    return answers;
  };
  for (const [name, shape] of random.shuffled(Object.entries(shapes))) {
    const [first] = await check(name, shape(), name in wanted ? { quietMs: 15_000, enough: 1 } : {});
    if (name in wanted && first?.status !== wanted[name]) find(`${name}: answered ${first?.status}`);
  }

  const requests = Array.from({ length: 50 }, (_, i) =>
    i % 2 === 0 ? get('/stats') : sized(event, event.length).join(''),
  );
  const answers = await check('pipelined requests', [requests.join('')], { quietMs: 15_000, enough: 50 });
  if (answers.length !== 50) find(`50 pipelined requests got ${answers.length} answers`);
  return sent;
}

/** A byte a second, many at once: nobody else waits for them. */
export async function sendSlowBodies(address: string, count: number, find: (what: string) => void): Promise<number> {
  const slow = sized('', event.length)[0] as string;
  const pieces = [slow, ...event.slice(0, 3)];
  const all = await Promise.all(Array.from({ length: count }, () => exchange(address, pieces, { gapMs: 1_000 })));
  for (const { answers } of all) if (answers.some(({ status }) => status < 400)) find('half of a slow body was taken');
  return count;
}
