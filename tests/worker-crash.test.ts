import { WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { expect, inject, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { startProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';

const kills = 20;

test(`a worker killed between commit and ack, ${kills} times under load, counts nothing twice`, async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  const system = await startSystem({
    query: false,
    workerNatsUrl: `nats://127.0.0.1:${proxy.port}`,
    environment: { ACK_WAIT: '500ms', BATCH_SIZE: '200' },
  });
  const plan = planCopies(1_000_000, 0.3, 'crash');
  let done = false;
  const load = sendAll(plan, {
    connections: 2,
    batchSize: 50,
    waitFor: WaitFor.WAIT_FOR_BROKER,
    makeClient: system.ingest,
    until: () => done,
  });
  const committed = () =>
    system.database.value<number>(
      'select (select count(*) from event_keys)::int + (select count(*) from refused)::int',
    );

  try {
    for (let kill = 0; kill < kills; kill++) {
      // From here on no ack leaves the worker, and what it has pulled it still commits.
      const before = await waitUntil('rows are committed', committed);
      await waitUntil('more rows are committed', async () => (await committed()) > before);
      proxy.holdClients(true);
      const unacked = await committed();
      await waitUntil('rows are committed whose acks are held back', async () => (await committed()) > unacked, {
        timeoutMs: 3_000,
      }).catch(() => undefined);
      await system.workers[0]?.kill('SIGKILL');
      proxy.cut();
      proxy.holdClients(false);
      system.workers[0] = await system.startWorker();
    }
    done = true;
    const { answered } = await load;
    await drained(system, 1, 60_000);

    const distinct = new Set(answered.map(({ eventId }) => eventId)).size;
    expect(await auditedTotals(system.database)).toMatchObject({
      unique: distinct,
      duplicates: answered.length - distinct,
      conflicts: 0,
      dead: 0,
    });
    await expectAllStored(system.database, answered);
  } finally {
    done = true;
    await load.catch(() => undefined);
    await system.stop();
    await proxy.stop();
  }
}, 300_000);
