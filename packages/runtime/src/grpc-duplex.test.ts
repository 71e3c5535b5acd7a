import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type DuplexHandler, duplex } from './grpc-duplex.js';
import { type GrpcServerOptions, startGrpcServer } from './grpc-server.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const same = (bytes: Buffer) => bytes;

/** A server of one method, and a client of it. */
async function serve(handler: DuplexHandler<Buffer, Buffer>, options: Partial<GrpcServerOptions> = {}) {
  let decoded = 0;
  const talk: MethodDefinition<Buffer, Buffer> = {
    path: '/test.Test/Talk',
    requestStream: true,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: (bytes) => {
      if (bytes.length > 1) decoded++;
      return bytes;
    },
    responseSerialize: same,
    responseDeserialize: same,
  };
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'none',
    maxReceiveBytes: 1024 ** 2,
    drainMs: 2_000,
    services: [{ definition: { talk }, implementation: { talk: duplex(handler, pino({ level: 'silent' })) } }],
    ...options,
  });
  cleanups.push(() => server.stop());
  return {
    decoded: () => decoded,
    open() {
      const client = new Client(server.address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      cleanups.push(() => client.close());
      const call = client.makeBidiStreamRequest(talk.path, same, same);
      const answers: string[] = [];
      call.on('data', (answer: Buffer) => answers.push(answer.toString()));
      const ended = new Promise<unknown>((resolve) => {
        call.on('error', (error: ServiceError) => resolve(fromGrpcError(error)));
        call.on('status', ({ code }) => code === 0 && resolve('OK'));
      });
      return { call, answers, ended, next: () => new Promise((resolve) => call.once('data', resolve)) };
    },
  };
}

const echo: DuplexHandler<Buffer, Buffer> = async ({ next, send }) => {
  for (let request = await next(); request !== undefined; request = await next()) void send(request);
};

test('a call ends when its handler does, after everything that was sent', async () => {
  const { open } = await serve(async ({ next, send }) => {
    await next();
    for (let i = 0; i < 100; i++) void send(Buffer.from(`${i}`));
  });
  const { call, answers, ended } = open();
  call.write(Buffer.from('x'));
  expect(await ended).toBe('OK');
  expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
});

test('a handler that fails ends its call with an error that tells nothing of the cause, and no other', async () => {
  const { open } = await serve(async ({ next, send }) => {
    void send(Buffer.from('first'));
    if ((await next())?.toString() === 'bad') throw new Error('secret');
  });
  const [bad, good] = [open(), open()];
  bad.call.write(Buffer.from('bad'));
  expect(await bad.ended).toMatchObject({ code: 'INTERNAL', message: 'internal error' });
  expect(bad.answers).toEqual(['first']);
  good.call.end();
  expect(await good.ended).toBe('OK');
});

test('no message is read before the handler asks for one', async () => {
  const wakes: (() => void)[] = [];
  const { open, decoded } = await serve(async ({ send, next }) => {
    await send(Buffer.from('open'));
    await new Promise<void>((resolve) => wakes.push(resolve));
    await next();
    await send(Buffer.from('one'));
    await new Promise<void>((resolve) => wakes.push(resolve));
  });
  const { call, next, ended } = open();
  const opened = next();
  for (let i = 0; i < 40; i++) call.write(Buffer.alloc(100_000));
  await opened;
  // Time enough for the rest to come.
  const others = Array.from({ length: 30 }, () => open());
  for (const other of others) await other.next();
  expect(decoded()).toBe(0);
  const one = next();
  wakes[0]?.();
  await one;
  expect(decoded()).toBe(1);
  for (const { call: other } of others) other.cancel();
  for (const { ended: otherEnded } of others) await otherEnded;
  wakes.at(-1)?.();
  for (const wake of wakes) wake();
  call.cancel();
  await ended;
});

test('a connection that has become old ends its streams in order', async () => {
  const { open } = await serve(echo, { maxConnectionAgeMs: 300 });
  const { call, answers, ended } = open();
  let sent = 0;
  const say = () => call.write(Buffer.from(`${sent++}`));
  call.on('data', say);
  say();
  expect(await ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING', retryAfterMs: 0 });
  expect(answers.length).toBeGreaterThan(0);
  expect(sent - answers.length).toBeLessThanOrEqual(1);
});
