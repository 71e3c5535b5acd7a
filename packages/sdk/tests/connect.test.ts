import { type ClientOptions, createClient, EventsieveError } from '@eventsieve/client';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { type FakeCall, startFakeGateway } from './fake-gateway.js';
import { certificate, privateKey } from './gateway-certificate.js';
import { answer, event, failureOf, testClient, testGateway } from './producer-fixture.js';

const endings: (() => unknown)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

async function secureGateway(askClients = false) {
  const chain = { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(certificate) };
  const credentials = ServerCredentials.createSsl(Buffer.from(certificate), [chain], askClients);
  const gateway = await startFakeGateway(answer, credentials);
  endings.push(gateway.stop);
  return gateway;
}

const headers = ({ metadata }: FakeCall) => metadata.getMap();
const once = { retry: false, timeoutMs: 5_000 } as const;

test('with tls the gateway is known by its certificate, whatever its address is called', async () => {
  const { address: gateway, calls } = await secureGateway();
  const trusting = testClient({ gateway, tls: { ca: certificate, serverName: 'gateway.test' }, apiKey: 'secret' });
  expect(await trusting.publish(event('a'), once)).toMatchObject({ outcome: 'stored' });
  expect(headers(calls[0] as FakeCall)).toMatchObject({ authorization: 'Bearer secret' });

  const doubtful: ClientOptions[] = [
    { tls: true },
    { tls: { ca: certificate } },
    { gateway: `https://${gateway}` },
    { tls: false },
  ];
  for (const options of doubtful) {
    const error = await failureOf(testClient({ gateway, ...options }).publish(event('b'), once));
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
  }
  expect(calls).toHaveLength(1);
});

test('a gateway that asks for it is shown the certificate of the client', async () => {
  const { address: gateway } = await secureGateway(true);
  const tls = { ca: Buffer.from(certificate), serverName: 'gateway.test' };
  const known = testClient({ gateway, tls: { ...tls, cert: certificate, key: privateKey } });
  expect(await known.publish(event('a'), once)).toMatchObject({ outcome: 'stored' });
  const stranger = await failureOf(testClient({ gateway, tls }).publish(event('b'), once));
  expect(stranger).toMatchObject({ code: 'UNAVAILABLE' });
});

test.each<[string, ClientOptions, string | undefined]>([
  ['an unencrypted address elsewhere', { gateway: 'events.example:50051', apiKey: 'k' }, 'apiKey'],
  ['an unencrypted query service elsewhere', { query: '10.0.0.7:50052', apiKey: 'k' }, 'apiKey'],
  ['a name that only begins like this machine', { gateway: 'localhost.example:1', apiKey: 'k' }, 'apiKey'],
  ['a certificate without its key', { tls: { cert: certificate } }, 'tls.key'],
  ['a key that is none', { tls: { cert: certificate, key: 'x' } }, 'tls'],
  ['metadata that is no header', { metadata: { 'no header': 'x' } }, 'no header'],
  ['metadata with a value that is no header', { metadata: { 'x-a': 'top\nsecret' } }, 'x-a'],
  ['this machine', { gateway: '127.0.0.1:1', query: 'http://localhost:2', apiKey: 'k' }, undefined],
  ['this machine over IPv6', { gateway: '[::1]:1', query: '[::1]:1', apiKey: 'k' }, undefined],
  [
    'an encrypted address',
    { gateway: 'grpcs://events.example', query: 'https://events.example', apiKey: 'k' },
    undefined,
  ],
])('%s: refused at once or not', async (_, options, field) => {
  let error: unknown;
  try {
    await createClient(options).close();
  } catch (thrown) {
    error = thrown;
  }
  if (field === undefined) {
    expect(error).toBeUndefined();
    return;
  }
  expect(error).toBeInstanceOf(EventsieveError);
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', fields: [{ field }] });
  expect((error as Error).message).not.toContain('secret');
});

test('metadata goes with each call, and a function is asked before each', async () => {
  const { address: gateway, calls } = await testGateway(answer);
  const bytes = Buffer.from([0, 255]);
  const metadata = { 'x-tenant': 'a', 'x-none': undefined, 'x-raw-bin': bytes };
  const fixed = testClient({ gateway, metadata, apiKey: 'k', userAgent: 'shop/2.0' });
  await fixed.publish(event('a'));
  expect(headers(calls[0] as FakeCall)).toMatchObject({
    'x-tenant': 'a',
    'x-raw-bin': bytes,
    authorization: 'Bearer k',
  });
  expect(headers(calls[0] as FakeCall)).not.toHaveProperty('x-none');
  expect(headers(calls[0] as FakeCall)['user-agent']).toMatch(/^shop\/2\.0 eventsieve-client\/\d+\.\d+\.\d+ grpc-node/);

  let asked = 0;
  const asking = testClient({ gateway, metadata: async () => ({ authorization: `Bearer ${++asked}` }) });
  await asking.publish(event('b'));
  const producer = asking.producer();
  await producer.send(event('c'));
  expect(calls.slice(1).map((call) => headers(call).authorization)).toEqual(['Bearer 1', 'Bearer 2']);
});

test('metadata that cannot be had for now is asked for again, and none leaves a call waiting for ever', async () => {
  const { address: gateway, calls } = await testGateway(answer);
  let asked = 0;
  const failing = () => {
    if (++asked < 3) throw new Error('the vault is sealed');
    return {};
  };
  const retry = { firstPauseMs: 1 };
  expect(await testClient({ gateway, metadata: failing }).publish(event('a'), { retry })).toMatchObject({
    attempts: 3,
  });

  const error = await failureOf(
    testClient({ gateway, metadata: () => Promise.reject(new Error('sealed')) }).publish(event('b'), once),
  );
  expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'METADATA', message: expect.stringContaining('sealed') });
  const silent = testClient({ gateway, metadata: () => new Promise(() => undefined) });
  const late = await failureOf(silent.publish(event('c'), { timeoutMs: 50 }));
  expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  const stopped = silent.publish(event('c'), { signal: AbortSignal.timeout(20) });
  await expect(stopped).rejects.toThrow('timeout');
  expect(calls).toHaveLength(1);
});

test('a client that was closed says so', async () => {
  const { address: gateway } = await testGateway(answer);
  const client = createClient({ gateway });
  await client.close();
  const error = await failureOf(client.publish(event('a')));
  expect(error).toBeInstanceOf(EventsieveError);
  expect(error).toMatchObject({ reason: 'CLOSED', retryable: false });
});
