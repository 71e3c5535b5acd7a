import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunningHttpServer } from '../src/http/server.js';
import { startBare as start } from './bare-http-server.js';

const origin = 'https://a.example';
let server: RunningHttpServer;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server.stop());

async function ask(asked: RunningHttpServer, method: string, headers: Record<string, string>, path = '/publish') {
  const response = await fetch(asked.address + path, { method, headers: { ...headers } });
  const cors = [...response.headers].filter(([name]) => /^(access-control-|vary)/.test(name));
  return { status: response.status, headers: Object.fromEntries(cors) };
}

const preflight = { origin, 'access-control-request-method': 'POST' };

test('CORS is off by default', async () => {
  expect(await ask(server, 'OPTIONS', preflight)).toEqual({ status: 405, headers: {} });
  expect((await ask(server, 'GET', { origin })).headers).toEqual({});
});

test('an origin that is listed may preflight, and read answers and errors; another may not', async () => {
  const listed = await start({ corsOrigins: [origin] });
  const allowed = { vary: 'Origin', 'access-control-allow-origin': origin };
  expect(await ask(listed, 'OPTIONS', preflight)).toMatchObject({
    status: 204,
    headers: {
      ...allowed,
      'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
      'access-control-allow-headers': expect.stringContaining('Content-Type'),
    },
  });
  expect(await ask(listed, 'GET', { origin })).toMatchObject({ status: 405, headers: allowed });
  expect(await ask(listed, 'GET', { origin }, '/nowhere')).toMatchObject({ status: 404, headers: allowed });
  expect(await ask(listed, 'POST', { origin })).toMatchObject({ headers: allowed });
  const stranger = { ...preflight, origin: 'https://b.example' };
  expect(await ask(listed, 'OPTIONS', stranger)).toEqual({ status: 405, headers: { vary: 'Origin' } });
  expect(await ask(listed, 'OPTIONS', { origin })).toMatchObject({ status: 405 });
  await listed.stop();
});

test('with * every origin may', async () => {
  const open = await start({ corsOrigins: '*' });
  expect(await ask(open, 'OPTIONS', preflight)).toMatchObject({
    status: 204,
    headers: { 'access-control-allow-origin': '*' },
  });
  await open.stop();
});
