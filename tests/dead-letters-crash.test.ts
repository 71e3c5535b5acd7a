import { Copy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, inject, test } from 'vitest';
import { workersConsumer } from './support/durable.js';
import { auditedTotals, drained } from './support/exactness.js';
import { refuseMarked } from './support/refuse-marked.js';
import { startSystem } from './support/system.js';
import { startProxy } from './support/tcp-proxy.js';
import { waitUntil } from './support/wait-until.js';
import { watchCounts } from './support/watch-counts.js';

const letters = 200;
const kills = 10;

const copyOf = (eventId: string, payload: string) =>
  Copy.encode({
    topic: Buffer.from('t'),
    eventId: Buffer.from(eventId),
    source: Buffer.from('s'),
    payload: Buffer.from(payload),
    timestampUs: 1_700_000_000_000_000n,
    replyTo: '',
    ticket: 0n,
  }).finish();

test(`workers killed ${kills} times between commit and ack while ${letters} dead letters are redriven twice: each counts once, and the sum holds all the time`, async () => {
  const proxy = await startProxy(Number(new URL(inject('natsUrl')).port));
  const system = await startSystem({
    workers: 2,
    workerNatsUrl: `nats://127.0.0.1:${proxy.port}`,
    environment: { ACK_WAIT: '1s', BATCH_SIZE: '50', STORED_TIMEOUT: '5s' },
  });
  const { database, names } = system;
  const broker = await connect({ servers: system.natsUrl });
  const jsm = await jetstreamManager(broker);
  const watch = watchCounts(system);
  const redriven = () => database.value<number>(`select count(*)::int from dead_letters where state = 'redriven'`);
  const redrive = (limit: number) =>
    fetch(`${system.http}/dead-letters/redrive`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ filter: { topic: 't' }, limit }),
    }).then((response) => expect(response.status).toBe(200));
  const asked: Promise<void>[] = [];

  try {
    const lift = await refuseMarked(database.pool);
    await waitUntil('the stream is there', () => database.value('select max(epoch) from epochs'));
    for (let i = 0; i < letters; i++) {
      broker.publish(`${names.eventSubjectPrefix}t`, copyOf(`bad-${i}`, '{"marked":1}'));
      broker.publish(`${names.eventSubjectPrefix}t`, copyOf(`good-${i}`, '{}'));
    }
    await broker.flush();
    await drained(system, 2 * letters, 120_000);
    expect(await watch.read()).toMatchObject({ received: 2 * letters, dead_lettered: letters });
    await lift();

    let unacked = 0;
    // Whether a redrive is committed before the kill is up to the machine, now and then.
    for (let kill = 0; kill < kills || (unacked <= kills / 2 && kill < 2 * kills); kill++) {
      await waitUntil('both workers wait for messages', async () => {
        const { num_waiting: waiting } = await workersConsumer(jsm, names);
        return waiting >= 2;
      });
      // What they wait for still comes to them, but no ack leaves them.
      proxy.holdClients(true);
      const before = await redriven();
      for (const _ of [1, 2]) {
        const answer = redrive(letters / (2 * kills));
        // Waited for only at the end.
        answer.catch(() => undefined);
        asked.push(answer);
      }
      await waitUntil('redrives are committed whose acks are held back', async () => (await redriven()) > before, {
        timeoutMs: 5_000,
      }).then(
        () => unacked++,
        () => undefined,
      );
      await Promise.all(system.workers.map((worker) => worker.kill('SIGKILL')));
      proxy.cut();
      proxy.holdClients(false);
      system.workers.splice(0, 2, ...(await Promise.all([system.startWorker(), system.startWorker()])));
    }
    await Promise.all(asked);
    expect(unacked).toBeGreaterThan(kills / 2);
    await waitUntil('all are redriven', async () => {
      await redrive(1000);
      return (await redriven()) === letters;
    });
    await drained(system);

    expect(await watch.read()).toMatchObject({
      received: 2 * letters,
      redriven: letters,
      unique_processed: 2 * letters,
      duplicate_dropped: 0,
      dead_lettered: letters,
      in_flight: 0,
    });
    expect(await auditedTotals(database)).toMatchObject({ unique: 2 * letters, duplicates: 0, dead: letters });
    expect(await database.value('select count(*)::int from redrives')).toBe(0);
    const surplus = await database.value<number>('select count(*)::int from replays');
    expect(surplus).toBeGreaterThan(0);
    const audit = (await (await fetch(`${system.http}/stats/reconcile`)).json()) as object;
    expect(audit).toMatchObject({ ok: true, differences: [] });
    await watch.stop();
  } finally {
    await Promise.allSettled(asked);
    await watch.stop().catch(() => undefined);
    await broker.close();
    await system.stop();
    await proxy.stop();
  }
}, 400_000);
