import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { readGhzOptions } from '../bench/src/ghz/ghz-options.js';
import { readSummary } from '../bench/src/ghz/read-summary.js';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Config {
  readonly proto: string;
  readonly 'import-paths': readonly string[];
  readonly call: string;
  readonly data: { readonly events: readonly Record<string, unknown>[]; readonly wait_for: string };
}

const config = JSON.parse(readFileSync(`${root}bench/ghz/publish.json`, 'utf8')) as Config;

/** Names of a message's fields, of an enum's values. */
function namesIn(type: unknown): string[] {
  const { field = [], value = [] } = type as Record<'field' | 'value', { name: string }[] | undefined>;
  return [...field, ...value].map(({ name }) => name);
}

test('what ghz calls and sends is in the .proto files', () => {
  const api = loadSync(`${root}${config.proto}`, {
    includeDirs: config['import-paths'].map((path) => `${root}${path}`),
    keepCase: true,
  });
  const [, service = '', method = ''] = /^(.*)\.(\w+)$/.exec(config.call) ?? [];
  expect(Object.keys(api[service] as ServiceDefinition)).toContain(method);
  const typeOf = (name: string) => (api[`eventsieve.v1.${name}`] as { type: object }).type;
  expect(namesIn(typeOf('PublishRequest'))).toEqual(expect.arrayContaining(Object.keys(config.data)));
  expect(namesIn(typeOf('WaitFor'))).toContain(config.data.wait_for);
  const [event = {}, ...others] = config.data.events;
  expect(namesIn(typeOf('Event'))).toEqual(expect.arrayContaining(Object.keys(event)));
  // One event a call, with an id of its own: an answer is a stored event.
  expect(others).toEqual([]);
  expect(event.event_id).toBe('{{newUUID}}');
});

test('answers are counted from the summary that ghz prints', () => {
  const summary = (lines: string) => `Latency distribution:\n  99 % in 3 ms\n\nStatus code distribution:\n${lines}\n`;
  expect(readSummary(summary('  [OK]   868 responses'))).toEqual({ ok: 868, failed: 0 });
  const mixed = '  [OK]            10 responses   \n  [Unavailable]   3 responses   \n  [Canceled]   2 responses\n';
  expect(readSummary(`${summary(mixed)}\nError distribution:\n  [5]   rpc error`)).toEqual({ ok: 10, failed: 5 });
  expect(readSummary('no route to host')).toBeUndefined();
});

test('flags become those of ghz', () => {
  expect(readGhzOptions([])).toMatchObject({
    target: undefined,
    ghzFlags: ['--duration', '20s', '--concurrency', '50', '--connections', '4'],
  });
  expect(readGhzOptions(['--total', '100', '--target', 'gateway:50051'])).toMatchObject({
    target: 'gateway:50051',
    ghzFlags: ['--total', '100', '--concurrency', '50', '--connections', '4'],
  });
  expect(readGhzOptions(['-h'])).toBeUndefined();
});

test.each([
  ['--duration', 'long', '--duration is "long", but must be a duration such as 500ms, 20s or 2m.'],
  ['--total', '0', '--total is "0", but must be a whole number from 1.'],
  ['--connections', '60', '--connections must not be more than --concurrency.'],
  ['--target', 'http://127.0.0.1', '--target is "http://127.0.0.1", but must be an address such as 127.0.0.1:50051.'],
])('%s %s is refused', (flag, value, sentence) => {
  expect(() => readGhzOptions([flag, value])).toThrow(new Error(sentence));
});

test('the command says what it does, and refuses what it does not know', () => {
  const run = (flag: string) =>
    execFileSync(process.execPath, [`${root}bench/dist/bench-ghz.js`, flag], { encoding: 'utf8', stdio: 'pipe' });
  expect(run('--help')).toContain('npm run bench:ghz -- --duration 5s');
  expect(() => run('--fast')).toThrow(
    expect.objectContaining({ status: 2, stderr: expect.stringMatching(/^[^\n]+\n$/) }),
  );
});
