import { randomBytes } from 'node:crypto';
import { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { namesFor } from '@eventsieve/contract/names';
import { credentials } from '@grpc/grpc-js';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { pino } from 'pino';
import { inject } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startGateway } from '../src/start.js';

/** A gateway in this process, on a prefix of its own; there is no worker. */
export async function startTestGateway(environment: Readonly<Record<string, string>> = {}) {
  const prefix = `g${randomBytes(4).toString('hex')}`;
  const names = namesFor(prefix);
  const gateway = await startGateway(
    {
      NATS_URL: inject('natsUrl'),
      NATS_PREFIX: prefix,
      GATEWAY_GRPC_PORT: '0',
      GATEWAY_METRICS_PORT: '0',
      STREAM_MAX_BYTES: '64MB',
      ...environment,
    },
    pino({ level: 'silent' }),
  );
  const address = gateway.addresses.grpc ?? '';
  const health = `http://${gateway.addresses.metrics}/health`;
  const connection = await connect({ servers: inject('natsUrl') });
  const jsm = await jetstreamManager(connection);
  await waitUntil('the gateway is ready', async () => (await fetch(health)).ok);
  return {
    address,
    health,
    names,
    connection,
    jsm,
    client: new IngestServiceClient(address, credentials.createInsecure()),
    async messages(): Promise<{ subject: string; data: Uint8Array }[]> {
      const { state } = await jsm.streams.info(names.stream);
      const found = [];
      for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
        const message = await jsm.streams.getMessage(names.stream, { seq });
        if (message) found.push({ subject: message.subject, data: message.data });
      }
      return found;
    },
    async stop() {
      await gateway.stop();
      await jsm.streams.delete(names.stream).catch(() => undefined);
      await connection.close();
    },
  };
}

export type TestGateway = Awaited<ReturnType<typeof startTestGateway>>;
