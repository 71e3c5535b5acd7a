import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressesOf, example, follow, leaveOut, onPath, run } from './support/examples.js';
import { expectFollows, publishTo } from './support/expect-follows.js';
import { findGrpcurl } from './support/find-grpcurl.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-examples-'));
  system = await startSystem();
  await publishTo(system, 'other', ['o-1']);
});
afterAll(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('curl/follow.sh gives each event once, through a broken connection and a new start', async () => {
  const file = join(folder, 'curl.cursor');
  const args = [example('curl/follow.sh'), file, 'topic=curl', 'payload={"kind": "a & b"}'];
  await expectFollows(system, {
    address: system.http,
    topic: 'curl',
    payload: { kind: 'a & b' },
    file,
    start: (port) => follow('sh', args, { environment: { TARGET_URL: `http://127.0.0.1:${port}` } }),
    idOf: (line) => JSON.parse(line).event_id,
  });
});

test('curl/follow.sh ends when its filter is refused, and says why', async () => {
  const args = [example('curl/follow.sh'), join(folder, 'refused.cursor'), 'colour=red'];
  const { code, stdout, stderr } = await run('sh', args, { environment: addressesOf(system) });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('colour: is not a parameter');
});

test('grpcurl/follow.sh begins with the first event, or after a cursor', async (context) => {
  const { path, missing } = await findGrpcurl();
  if (path === undefined) leaveOut(context, missing ?? '');
  await publishTo(system, 'grpcurl', ['g-1', 'g-2']);
  const environment = { ...addressesOf(system), ...onPath(path) };
  const heardOf = async (args: readonly string[], last: string) => {
    const following = follow('sh', [example('grpcurl/follow.sh'), ...args], { environment });
    try {
      const text = () => following.lines().join('\n');
      await waitUntil(`${last} and its cursor`, () =>
        new RegExp(`"${last}"[\\s\\S]*\\n {2}"cursor": .*\\n\\}`).test(text()),
      );
      return [...text().matchAll(/"eventId": "(.*)"[\s\S]*?\n {2}"cursor": "(.*)"/g)].map(([, id, cursor]) => ({
        id,
        cursor,
      }));
    } finally {
      await following.stop();
    }
  };
  const all = await heardOf([], 'g-2');
  expect(all[0]?.id).toBe('o-1');
  const [first] = all.filter(({ id }) => id === 'g-1');
  expect((await heardOf([first?.cursor ?? ''], 'g-2')).map(({ id }) => id)).toEqual(['g-2']);
}, 420_000);

test('sdk/tail.mjs gives each event once, through a broken connection and a new start', async () => {
  const file = join(folder, 'sdk.cursor');
  const args = [example('sdk/tail.mjs'), 'sdk', file];
  await expectFollows(system, {
    address: system.queryAddress,
    topic: 'sdk',
    file,
    start: (port) => follow(process.execPath, args, { environment: { QUERY_URL: `127.0.0.1:${port}` } }),
    idOf: (line) => line.split(' ')[1] ?? '',
  });
});
