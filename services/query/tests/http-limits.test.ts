import { connect as connectTcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { RunningHttpServer } from '../src/http/server.js';
import { maxRequestBytes, startBare as start } from './bare-http-server.js';

let server: RunningHttpServer;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server.stop());

const head = (...lines: readonly string[]) =>
  ['POST /publish HTTP/1.1', 'host: x', 'content-type: application/json', ...lines, '', ''].join('\r\n');

interface Exchange {
  readonly answer: string;
  readonly closed: boolean;
  readonly sent: number;
}

/** Sends these pieces and no more; what came back by the time that the server closed, or `until` matched. */
function exchange(pieces: readonly (string | Buffer)[], until = /never/, by = server): Promise<Exchange> {
  const { hostname, port } = new URL(by.address);
  return new Promise((resolve) => {
    let answer = '';
    let sent = 0;
    const socket = connectTcp(Number(port), hostname);
    const end = (closed: boolean) => {
      socket.destroy();
      resolve({ answer, closed, sent });
    };
    socket.on('connect', () => {
      for (const piece of pieces) {
        socket.write(piece);
        sent += piece.length;
      }
    });
    socket.on('data', (bytes) => {
      answer += bytes;
      if (until.test(answer)) end(false);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => end(true));
  });
}

test('a body that says it is too large is refused before any of it has come', async () => {
  const { answer, closed } = await exchange([head('content-length: 100000000')]);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('"code":"payload_too_large"');
  expect(closed).toBe(true);
});

test('a body that says nothing of its size is refused as soon as it is over the limit', async () => {
  const chunk = `${(50_000).toString(16)}\r\n${' '.repeat(50_000)}\r\n`;
  const { answer, closed } = await exchange([head('transfer-encoding: chunked'), chunk, chunk, chunk]);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(closed).toBe(true);
});

test('a client that asks first is told to go on, or of the limit', async () => {
  const fine = await exchange([head('content-length: 2', 'expect: 100-continue', 'connection: close'), '{}']);
  expect(fine.answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  const large = await exchange([head('content-length: 100001', 'expect: 100-continue')]);
  expect(large.answer).toMatch(/^HTTP\/1\.1 413 /);
});

test('a request without the host that HTTP/1.1 wants is refused as every other is', async () => {
  const { answer } = await exchange(['GET /publish HTTP/1.1\r\n\r\n'], /\}\}$/);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"fields":[{"field":"host"');
  expect((await exchange(['GET /nowhere HTTP/1.0\r\n\r\n'], /\}\}$/)).answer).toMatch(/^HTTP\/1\.1 404 /);
});

test('an expectation that nobody knows is passed over', async () => {
  const { answer } = await exchange([head('content-length: 2', 'expect: miracles'), '{}'], /\}$/);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toContain('{"bytes":2}');
});

test('a URL that cannot be decoded is refused by name', async () => {
  const { answer } = await exchange(['GET /publish%zz HTTP/1.1\r\nhost: x\r\n\r\n'], /\}\}$/);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"fields":[{"field":"url"');
});

test('a gzip bomb is refused without holding what it inflates to', async () => {
  const inner = gzipSync(Buffer.alloc(64 * 1024 ** 2));
  expect(inner.length).toBeLessThan(maxRequestBytes);
  const before = process.memoryUsage().arrayBuffers;
  const { answer } = await exchange(
    [head('content-encoding: gzip', `content-length: ${inner.length}`), inner],
    /\}\}$/,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 ** 2);
});

test('bodies that stop half-way are held up to a bound; then others are refused, and taken again when these are gone', async () => {
  const bounded = await start({ maxRequestBytesInFlight: 250_000 });
  const { hostname, port } = new URL(bounded.address);
  const halves = [1, 2, 3].map(() => connectTcp(Number(port), hostname));
  const said: string[] = ['', '', ''];
  halves.forEach((half, i) => {
    half.on('error', () => undefined);
    half.on('data', (bytes) => {
      said[i] += bytes.toString();
    });
    half.write(head('content-length: 95000'));
    half.write(' '.repeat(90_000));
  });
  await waitUntil('one of them is refused', () => said.some((each) => /^HTTP\/1\.1 429 /.test(each)));
  expect(said.filter((each) => each !== '')).toHaveLength(1);
  expect(said.join('')).toMatch(/retry-after: 1\r\n/);
  expect(said.join('')).toContain('MAX_REQUEST_BYTES_IN_FLIGHT');
  for (const half of halves) half.destroy();
  const post = (bytes: number) =>
    fetch(`${bounded.address}/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{}${' '.repeat(bytes)}`,
    });
  await waitUntil('there is room again', async () => (await post(80_000)).status === 200);
  for (let i = 0; i < 10; i++) expect((await post(80_000)).status).toBe(200);
  await bounded.stop();
});

test('bodies of a connection that breaks are let go of, also of requests that wait for their turn to be answered', async () => {
  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on('warning', warn);
  let asked = 0;
  const bounded = await start({
    maxRequestBytesInFlight: 250_000,
    serve(app) {
      app.get('/hold', (_, reply) => void reply.hijack());
      app.post('/publish', async () => {
        asked += 1;
        return {};
      });
    },
  });
  const { hostname, port } = new URL(bounded.address);
  const post = (bytes: number) => head(`content-length: ${bytes}`) + ' '.repeat(bytes);
  const pipelining = connectTcp(Number(port), hostname);
  pipelining.write('GET /hold HTTP/1.1\r\nhost: x\r\n\r\n');
  for (let i = 0; i < 20; i++) pipelining.write(post(11_000));
  await waitUntil('all have come', () => asked === 20);
  pipelining.write(post(50_000).slice(0, -10_000));
  const ask = async () => (await exchange([post(80_000)], /\}$/, bounded)).answer.slice(9, 12);
  expect(await ask()).toBe('429');
  pipelining.destroy();
  await waitUntil('there is room again', async () => (await ask()) === '200');
  expect(await Promise.all([ask(), ask()])).toEqual(['200', '200']);
  // A connection that goes on has all that it sent counted once.
  const { answer } = await exchange(
    [...Array(30).fill(post(9_000)), head('content-length: 2', 'connection: close'), '{}'],
    undefined,
    bounded,
  );
  expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(31);
  await bounded.stop();
  process.off('warning', warn);
  expect(warnings).toEqual([]);
});

test('what bodies inflate to is bounded too, as long as it is held', async () => {
  const waiting: (() => void)[] = [];
  const bounded = await start({
    maxRequestBytesInFlight: 250_000,
    serve(app) {
      app.post('/publish', async () => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        return {};
      });
    },
  });
  const inner = gzipSync(' '.repeat(90_000));
  const post = async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const { status } = await fetch(`${bounded.address}/publish`, { method: 'POST', headers, body: inner });
    return status;
  };
  for (let round = 0; round < 3; round++) {
    const taken = [post(), post()];
    await waitUntil('two are held', () => waiting.length === 2);
    expect(await post()).toBe(429);
    for (const answer of waiting.splice(0)) answer();
    expect(await Promise.all(taken)).toEqual([200, 200]);
  }
  await bounded.stop();
});

test('alone, a body may inflate to more than all may have together', async () => {
  const narrow = await start({ maxRequestBytesInFlight: 50_000 });
  const inner = gzipSync(' '.repeat(90_000));
  const { answer } = await exchange(
    [head('content-encoding: gzip', `content-length: ${inner.length}`), inner],
    /\}$/,
    narrow,
  );
  await narrow.stop();
  expect(answer).toContain('{"bytes":90000}');
});

const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${' '.repeat(bytes)}\r\n`;

test.each(['GET', 'HEAD'])('the body of a %s is read past, and held of none', async (method) => {
  const bounded = await start({
    maxRequestBytesInFlight: 250_000,
    serve(app) {
      app.get('/follow', (_, reply) => void reply.hijack().raw.writeHead(200).write('it goes on\n'));
      app.post('/publish', async () => ({}));
    },
  });
  const { hostname, port } = new URL(bounded.address);
  const sockets = [connectTcp(Number(port), hostname), connectTcp(Number(port), hostname)] as const;
  const [holding, following] = sockets;
  for (const socket of sockets) socket.on('error', () => undefined);
  holding.write(head('content-length: 1000') + ' '.repeat(500));
  following.write(`${method} /follow HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`);
  let unread = 100;
  for (let i = 0; i < 100; i++) following.write(chunk(60_000), () => unread--);
  await waitUntil('all of it was taken', () => unread === 0);
  for (let i = 0; i < 3; i++) {
    const { answer } = await exchange([head('content-length: 80000') + ' '.repeat(80_000)], /\}$/, bounded);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  }
  for (const socket of sockets) socket.destroy();
  await bounded.stop();
});

test('what is not HTTP is answered after what came before it, and not within an answer that goes on', async () => {
  const slow = await start({
    serve(app) {
      const endless = { config: { endless: true } };
      app.get('/endless', endless, (_, reply) => void reply.hijack().raw.writeHead(200).write('it goes on'));
      app.get('/slow', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return 'late';
      });
    },
  });
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
  const statusesOf = ({ answer }: Pick<Exchange, 'answer'>) =>
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  const following = connectTcp(Number(new URL(slow.address).port), '127.0.0.1');
  let given = '';
  following.write(get('/endless'));
  following.on('data', (bytes) => {
    given += bytes;
    following.write('nonsense\r\n\r\n');
  });
  await new Promise((resolve) => following.on('close', resolve).on('error', () => undefined));
  expect(statusesOf({ answer: given })).toEqual(['200']);
  const behind = await exchange([`${get('/slow').repeat(3)}nonsense\r\n\r\n`, 'more of it\r\n'], undefined, slow);
  expect([statusesOf(behind), behind.closed]).toEqual([['200', '200', '200', '400'], true]);
  const first = await exchange(['nonsense\r\n\r\n'], undefined, slow);
  expect([statusesOf(first), first.closed]).toEqual([['400'], true]);
  const body = await exchange([`${head('transfer-encoding: chunked')}no length\r\n`], undefined, slow);
  expect([statusesOf(body), body.closed]).toEqual([['404'], true]);
  await slow.stop();
});

test.each([
  ['headers', ['POST /publish HTTP/1.1\r\nhost: x\r\n']],
  ['a body', [head('content-length: 10'), '{"a']],
])('%s that do not come are given up after a while', async (_, pieces) => {
  const hasty = await start({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
  const { answer, closed } = await exchange(pieces, undefined, hasty);
  await hasty.stop();
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(answer).toContain('"code":"deadline_exceeded"');
  expect(closed).toBe(true);
});

test('a connection on which nothing comes is closed without a word, which would be taken for the answer to what comes next', async () => {
  const hasty = await start({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
  const { answer, closed } = await exchange([], undefined, hasty);
  await hasty.stop();
  expect(answer).toBe('');
  expect(closed).toBe(true);
});
