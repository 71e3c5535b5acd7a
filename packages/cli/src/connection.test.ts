import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UsageError } from './command.js';
import { connectionFlags, readConnection } from './connection.js';
import { readFlags } from './flags.js';

const read = (args: readonly string[], environment = {}) =>
  readConnection(readFlags(args, connectionFlags, environment), environment);

test.each([
  [[], {}, '127.0.0.1:50051', '127.0.0.1:50052'],
  [[], { GATEWAY_GRPC_PORT: '1', QUERY_GRPC_PORT: '2' }, '127.0.0.1:1', '127.0.0.1:2'],
  [['--gateway', 'far:7'], {}, 'far:7', 'far:50052'],
  [['--query', 'https://far:443'], { GATEWAY_GRPC_PORT: '1' }, 'https://far:1', 'https://far:443'],
  [['--query', '[::1]:5'], {}, '[::1]:50051', '[::1]:5'],
  [[], { QUERY_URL: 'q:1', GATEWAY_URL: 'g:2' }, 'g:2', 'q:1'],
  [['--query', 'flag:1'], { QUERY_URL: 'variable:1' }, 'flag:50051', 'flag:1'],
])('%j with %j is the gateway %s and the query service %s', (args, environment, gateway, query) => {
  expect(read(args, environment)).toEqual({ gateway, query, timeoutMs: 15_000 });
});

test('TLS, a key and headers are passed on, by flags or variables', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cli-'));
  try {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, 'PEM');
    expect(read(['--ca', file, '--server-name', 'es'])).toMatchObject({
      tls: { ca: Buffer.from('PEM'), serverName: 'es' },
    });
    expect(() => read(['--ca', join(folder, 'none')])).toThrow(/^--ca is ".*none", which cannot be read: ENOENT/);
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(read(['--tls'])).toMatchObject({ tls: true });
  expect(read([])).not.toHaveProperty('tls');
  expect(read(['--header', 'x-a: 1', '--header', 'x-b:2:3'])).toMatchObject({ metadata: { 'x-a': '1', 'x-b': '2:3' } });
  const environment = { EVENTSIEVE_API_KEY: 'k', EVENTSIEVE_TLS: 'yes', EVENTSIEVE_TIMEOUT: '2m' };
  expect(read([], environment)).toMatchObject({ apiKey: 'k', tls: true, timeoutMs: 120_000 });
  expect(read(['--timeout', '500ms'], environment)).toMatchObject({ timeoutMs: 500 });
});

test.each([
  [['--query', 'far'], '--query is "far", but must be an address such as 127.0.0.1:50051.'],
  [['--gateway', 'u:p@far:1'], '--gateway is "u:p@far:1", but must be an address such as 127.0.0.1:50051.'],
  [['--header', 'x'], '--header is "x", but must be a name and a value, such as x-tenant: acme.'],
  [['--timeout', '5'], '--timeout is "5", but must be a time such as 500ms, 15s or 2m.'],
])('%j is refused', (args, sentence) => {
  expect(() => read(args)).toThrow(new UsageError(sentence));
});
