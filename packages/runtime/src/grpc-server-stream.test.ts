import { connect, constants } from 'node:http2';
import { EventsieveError } from '@eventsieve/contract/errors';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { type CallOptions, Client, credentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type GrpcServerOptions, startGrpcServer } from './grpc-server.js';
import { type Audience, type ServerStreamHandler, serverStream } from './grpc-server-stream.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const same = (bytes: Buffer) => bytes;

/** A server of one method, and a client of it. */
async function serve(handler: ServerStreamHandler<Buffer, Buffer>, options: Partial<GrpcServerOptions> = {}) {
  const tell: MethodDefinition<Buffer, Buffer> = {
    path: '/test.Test/Tell',
    requestStream: false,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const endings: (string | undefined)[] = [];
  const onEnded = ({ error }: { error: EventsieveError | undefined }) => endings.push(error?.code);
  const implementation = { tell: serverStream(handler, pino({ level: 'silent' }), onEnded) };
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'none',
    maxReceiveBytes: 1024 ** 2,
    drainMs: 6_000,
    services: [{ definition: { tell }, implementation }],
    ...options,
  });
  cleanups.push(() => server.stop());
  return {
    server,
    endings,
    open(callOptions: CallOptions = {}) {
      const client = new Client(server.address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      cleanups.push(() => client.close());
      const call = client.makeServerStreamRequest(tell.path, same, same, Buffer.from('?'), callOptions);
      const answers: Buffer[] = [];
      call.on('data', (answer: Buffer) => answers.push(answer));
      const ended = new Promise<unknown>((resolve) => {
        call.on('error', (error: ServiceError) => resolve(fromGrpcError(error)));
        call.on('status', ({ code }) => code === 0 && resolve('OK'));
      });
      return { call, answers, ended };
    },
  };
}

/** Resolves when nothing more need be sent, with the reason. */
const whenOver = (audience: Audience<Buffer>) =>
  new Promise<EventsieveError | undefined>((resolve) => audience.onOver(() => resolve(audience.over())));

/** Sends until it is over, and ends with the reason. */
const untilOver: ServerStreamHandler<Buffer, Buffer> = async (_, audience) => {
  await audience.send(Buffer.from('open'));
  throw await whenOver(audience);
};

test('a call ends when its handler does, after everything that was sent', async () => {
  const { open, endings } = await serve(async (request, { send }) => {
    for (let i = 0; i < 100; i++) await send(Buffer.from(`${request}${i}`));
  });
  const { answers, ended } = open();
  expect(await ended).toBe('OK');
  expect(answers.map(String)).toEqual(Array.from({ length: 100 }, (_, i) => `?${i}`));
  expect(endings).toEqual([undefined]);
});

test('a handler that fails ends its call with an error that tells nothing of the cause', async () => {
  const { open, endings } = await serve(async (_, { send }) => {
    await send(Buffer.from('first'));
    throw new Error('secret');
  });
  const { answers, ended } = open();
  expect(await ended).toMatchObject({ code: 'INTERNAL', message: 'internal error' });
  expect(answers.map(String)).toEqual(['first']);
  expect(endings).toEqual(['INTERNAL']);
});

test('a handler hears of a caller that goes away', async () => {
  let why: Promise<unknown> | undefined;
  const { open } = await serve((request, audience) => {
    why = whenOver(audience);
    return untilOver(request, audience);
  });
  const { call, ended } = open();
  await new Promise((resolve) => call.once('data', resolve));
  call.cancel();
  await ended;
  expect(await why).toMatchObject({ reason: 'CALLER_GONE' });
});

test('a handler hears of a server that stops, and its caller is told', async () => {
  const { open, server } = await serve(untilOver);
  const { call, ended } = open();
  await new Promise((resolve) => call.once('data', resolve));
  void server.stop();
  expect(await ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING' });
});

test('a deadline ends a call, and what is sent after it harms nobody', async () => {
  let over: unknown;
  const { open } = await serve(async (_, audience) => {
    while (audience.over() === undefined) {
      await audience.send(Buffer.from('x'));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    over = audience.over();
  });
  const { ended } = open({ deadline: Date.now() + 200 });
  expect(await ended).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await expect.poll(() => over).toMatchObject({ reason: 'CALLER_GONE' });
});

test('a connection that has become old ends its calls in order', async () => {
  const { open } = await serve(
    async (_, audience) => {
      while (audience.over() === undefined) {
        await audience.send(Buffer.from('x'));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      throw audience.over();
    },
    { maxConnectionAgeMs: 200 },
  );
  expect(await open().ended).toMatchObject({ code: 'UNAVAILABLE', reason: 'STOPPING' });
});

const large = Buffer.alloc(1024 ** 2);
/** Sends until a message stays for too long, and says how many it gave away, the last one among them. */
const untilStuck: ServerStreamHandler<Buffer, Buffer> = async (_, { send }) => {
  for (let sent = 1; ; sent++) {
    const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), 300));
    if ((await Promise.race([send(large), late])) === 'late') {
      throw new EventsieveError('RESOURCE_EXHAUSTED', 'too slow', { cursor: String(sent) });
    }
  }
};

test('who reads nothing and then does gets what was sent, and the end of it', async () => {
  const { open, endings } = await serve(untilStuck);
  const { call, answers, ended } = open();
  call.pause();
  await expect.poll(() => endings, { timeout: 10_000 }).toEqual(['RESOURCE_EXHAUSTED']);
  call.resume();
  const error = (await ended) as EventsieveError;
  expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', message: 'too slow' });
  expect(answers).toHaveLength(Number(error.cursor));
});

test('who goes on to read nothing is cut off, and holds up no server that stops', async () => {
  const { open, endings, server } = await serve(untilStuck);
  const { call } = open();
  call.pause();
  await expect.poll(() => endings, { timeout: 10_000 }).toEqual(['RESOURCE_EXHAUSTED']);
  await server.stop();
});

test('who reads nothing is cut off also after its deadline', async () => {
  const { server, endings } = await serve(untilStuck);
  // A client of grpc-js cancels the call itself.
  const session = connect(`http://${server.address}`);
  cleanups.push(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/test.Test/Tell',
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': '200m',
  });
  stream.on('error', () => undefined).end(Buffer.alloc(5));
  await expect.poll(() => endings, { timeout: 10_000 }).toEqual(['RESOURCE_EXHAUSTED']);
  await expect.poll(() => stream.rstCode, { timeout: 5_000 }).toBe(constants.NGHTTP2_CANCEL);
});
