import { expect, it, test } from 'vitest';
import { readConfig } from './config.js';

const DATABASE_URL = 'postgres://localhost/x';

it('has a default for everything but the database', () => {
  expect(() => readConfig({})).toThrow('DATABASE_URL is not set');
  expect(readConfig({ DATABASE_URL })).toMatchObject({
    databaseUrl: DATABASE_URL,
    natsUrl: 'nats://127.0.0.1:14222',
    bindHost: '127.0.0.1',
    httpPort: 8080,
    corsOrigins: [],
    grpcPort: 50052,
    gatewayAddress: '127.0.0.1:50051',
    duplicateStatus: 200,
    maxEventsPerRequest: 1000,
    maxRequestBytes: 16 * 1024 ** 2,
    maxRequestBytesInFlight: 128 * 1024 ** 2,
    storedTimeoutMs: 5000,
    searchTimeoutMs: 1000,
  });
});

it('takes PORT where HTTP_PORT is not set, and bounds a body by what its events may hold', () => {
  expect(readConfig({ DATABASE_URL, PORT: '81' }).httpPort).toBe(81);
  expect(readConfig({ DATABASE_URL, PORT: '81', HTTP_PORT: '82' }).httpPort).toBe(82);
  expect(readConfig({ DATABASE_URL, MAX_EVENTS_PER_REQUEST: '4', MAX_EVENT_BYTES: '2KB' }).maxRequestBytes).toBe(8192);
  expect(readConfig({ DATABASE_URL, DUPLICATE_STATUS: '409' }).duplicateStatus).toBe(409);
});

it('takes origins, each in the form in which a browser sends it', () => {
  const originsOf = (CORS_ORIGINS: string) => readConfig({ DATABASE_URL, CORS_ORIGINS }).corsOrigins;
  expect(originsOf('*')).toBe('*');
  expect(originsOf(' HTTPS://Example.com:443/, http://localhost:3000 ,')).toEqual([
    'https://example.com',
    'http://localhost:3000',
  ]);
});

test.each([
  ['CORS_ORIGINS', 'example.com'],
  ['CORS_ORIGINS', 'https://example.com/path'],
  ['CORS_ORIGINS', 'https://a@example.com'],
  ['CORS_ORIGINS', 'https://*.example.com'],
  ['CORS_ORIGINS', '*, https://example.com'],
  ['DATABASE_URL', 'mysql://x'],
  ['NATS_URL', '127.0.0.1'],
  ['NATS_PREFIX', 'a.b'],
  ['HTTP_PORT', '70000'],
  ['QUERY_GRPC_PORT', 'x'],
  ['GATEWAY_URL', 'nowhere'],
  ['DUPLICATE_STATUS', '418'],
  ['MAX_EVENTS_PER_REQUEST', '0'],
  ['MAX_EVENT_BYTES', '1'],
  ['STORED_TIMEOUT', 'soon'],
  ['SEARCH_TIMEOUT', '49ms'],
  ['DRAIN_TIMEOUT', '-1s'],
])('names %s when it is %s', (name, value) => {
  expect(() => readConfig({ DATABASE_URL, [name]: value })).toThrow(name);
});
