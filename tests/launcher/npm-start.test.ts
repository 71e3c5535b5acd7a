import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitUntil } from '../support/wait-until.js';
import { gone, type Launcher, npmStart, pidOf, processesOf, type Scratch, scratch } from './harness.js';

let place: Scratch;
let npm: Launcher;

beforeEach(async () => {
  place = await scratch();
  npm = npmStart({ ...place.environment, WORKERS: '2' });
  await npm.line(/^eventsieve is ready$/);
});

afterEach(async () => {
  npm.process.kill('SIGKILL');
  await gone(place.dataDir);
  place.remove();
});

test('the ready line comes when the first event is taken, not before', async () => {
  expect(await publish()).toBe(201);
  process.kill(-npm.pid, 'SIGTERM');
  await npm.ended();
  expect(npm.output()).not.toMatch(/^ {2}missing/m);
});

test('Ctrl-C, which reaches npm and the launcher and is passed on by npm once more, ends it with exit code 0', async () => {
  await taken();
  process.kill(-npm.pid, 'SIGINT');
  expect(await npm.ended(10_000)).toEqual({ code: 0, signal: null });
  expect(processesOf(place.dataDir)).toEqual([]);
  expect(npm.output()).not.toContain('stopping at once');
});

test('a gateway killed with -9 is back at its port, and takes events again', async () => {
  process.kill(pidOf(place.dataDir, /services\/gateway\/dist\/main\.js/), 'SIGKILL');
  await npm.line(/^gateway ended \(signal SIGKILL\), starting it again/);
  await npm.line(new RegExp(`^gateway is up again \\(.*:${place.environment.GATEWAY_GRPC_PORT}`));
  await taken();
  process.kill(-npm.pid, 'SIGTERM');
  await npm.ended();
});

test('gateway and workers are started with the flags for Node that the compose file gives them, the query service is not', () => {
  const flagsOf = (service: string) =>
    processesOf(place.dataDir)
      .filter(({ command }) => command.includes(`services/${service}/dist/main.js`))
      .map(({ command }) => command.split(/\s+/).filter((word) => word.startsWith('--max-')));
  expect(flagsOf('gateway')).toEqual([['--max-semi-space-size=32']]);
  expect(flagsOf('dedup-worker')).toEqual([['--max-semi-space-size=32'], ['--max-semi-space-size=32']]);
  expect(flagsOf('query')).toEqual([[]]);
});

test('SIGTERM to npm alone ends everything', async () => {
  npm.process.kill('SIGTERM');
  await npm.ended();
  await gone(place.dataDir);
  expect(npm.output()).toContain('eventsieve has stopped');
});

test('SIGKILL to npm alone ends everything', async () => {
  npm.process.kill('SIGKILL');
  await gone(place.dataDir);
});

test('SIGKILL to the launcher ends the real services, NATS and Postgres', async () => {
  process.kill(pidOf(place.dataDir, /embedded\/prepare\.mjs start/), 'SIGKILL');
  await gone(place.dataDir);
});

/** A gateway that was started again has its door open before it has found the broker. */
const taken = () => waitUntil('an event is stored', async () => (await publish()) === 201);

async function publish(): Promise<number> {
  const event = {
    topic: 'launcher',
    event_id: crypto.randomUUID(),
    timestamp: new Date().toISOString(),
    source: 'test',
  };
  const response = await fetch(`http://127.0.0.1:${place.environment.HTTP_PORT}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...event, payload: {} }),
  });
  await response.text();
  return response.status;
}
