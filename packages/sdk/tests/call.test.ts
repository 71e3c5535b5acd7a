import { QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { callUnary } from '../src/call.js';
import { connect } from '../src/connect.js';

test('an answer that is no message is an error of the server that gave it', async () => {
  const server = new Server();
  const bytes = { ...QueryServiceService.getStats, responseSerialize: (answer: Buffer) => answer };
  const getStats = (_: ServerUnaryCall<unknown, Buffer>, answer: sendUnaryData<Buffer>) =>
    answer(null, Buffer.from([0x0a, 0xff]));
  server.addService({ getStats: bytes }, { getStats });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const peer = connect(`127.0.0.1:${port}`, {});
  try {
    await expect(callUnary(peer, QueryServiceService.getStats, {})).rejects.toMatchObject({
      name: 'EventsieveError',
      code: 'INTERNAL',
      message: `127.0.0.1:${port}: the answer cannot be read`,
      retryable: false,
    });
  } finally {
    peer.client.close();
    server.forceShutdown();
  }
});
