import { createHealth } from '@eventsieve/runtime/grpc-health';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { checkHealth } from '../src/check-health.js';
import { connect } from '../src/connect.js';

test('a server that lacks something says what, and one that waits for ever does not answer in time', async () => {
  const server = new Server();
  const health = createHealth(['postgres', 'nats']);
  health.set(true, ['nats']);
  server.addService(health.service.definition, health.service.implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const address = `127.0.0.1:${port}`;
  // Metadata that never comes, as if the server did not answer.
  const gateway = connect(address, { metadata: () => new Promise(() => undefined) });
  const query = connect(address, {});
  try {
    expect(await checkHealth(gateway, query, { timeoutMs: 300 })).toEqual({
      ok: false,
      gateway: {
        address,
        status: 'unreachable',
        parts: {},
        error: expect.objectContaining({ code: 'DEADLINE_EXCEEDED' }),
      },
      query: { address, status: 'not_serving', parts: { postgres: false, nats: true } },
    });
    health.set(true);
    expect((await checkHealth(query as never, query, {})).ok).toBe(true);
    health.set(false, ['']);
    expect(await checkHealth(query as never, query, {})).toMatchObject({
      ok: false,
      gateway: { status: 'not_serving' },
    });
  } finally {
    gateway.client.close();
    query.client.close();
    server.forceShutdown();
  }
});
