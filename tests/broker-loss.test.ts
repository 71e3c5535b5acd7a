import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeEach, expect, inject, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import { type Answered, planCopies, sendAll } from './support/publishers.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let folder: string;
let nats: Nats;
let system: System;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-broker-'));
  nats = await startNats({ storeDir: join(folder, 'nats'), binary: inject('natsBinary') });
  system = await startSystem({ natsUrl: nats.url, workers: 2, query: false, environment: { ACK_WAIT: '1s' } });
  return async () => {
    await system.stop();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  };
});

async function send(run: string, copies: number, waitFor = WaitFor.WAIT_FOR_BROKER): Promise<Answered[]> {
  const plan = planCopies(copies, 0.2, run);
  const { answered } = await sendAll(plan, {
    connections: 4,
    batchSize: 50,
    waitFor,
    makeClient: system.ingest,
    retry: true,
  });
  return answered;
}

const epochs = () => system.database.value<number>('select count(*)::int from epochs');

async function storedBefore(): Promise<Map<string, string>> {
  const { rows } = await system.database.pool.query<{ position: string; row: string }>(
    'select position::text, to_jsonb(e)::text as row from events e',
  );
  return new Map(rows.map(({ position, row }) => [position, row]));
}

async function expectUnchanged(before: ReadonlyMap<string, string>): Promise<void> {
  const after = await storedBefore();
  for (const [position, row] of before) expect(after.get(position)).toBe(row);
}

async function streamIsEmpty(): Promise<void> {
  const connection = await connect({ servers: nats.url });
  try {
    const jsm = await jetstreamManager(connection);
    await waitUntil(
      'the stream is empty',
      async () => (await jsm.streams.info(system.names.stream)).state.messages === 0,
    );
  } finally {
    await connection.close();
  }
}

test('a stream deleted under a running system: a new epoch, and every copy answered afterwards is stored', async () => {
  const first = await send('one', 4_000);
  await drained(system, 1);
  const before = await storedBefore();

  const connection = await connect({ servers: nats.url });
  await (await jetstreamManager(connection)).streams.delete(system.names.stream);
  await connection.close();

  const second = await send('two', 4_000, WaitFor.WAIT_FOR_STORED);
  await waitUntil('a new epoch', async () => (await epochs()) === 2);
  const third = await send('three', 1_000);
  await waitUntil('all of it is stored', async () => (await auditedTotals(system.database)).unique === 7_200);
  await drained(system, 1);
  await expectAllStored(system.database, [...first, ...second, ...third]);
  await expectUnchanged(before);
}, 240_000);

test('a store put back to an older copy: nothing stored is hidden or changed, no new copy is lost, none is counted twice', async () => {
  const first = await send('one', 3_000);
  await drained(system, 1);
  // The older copy holds messages that are not stored yet.
  for (const worker of system.workers) worker.child.kill('SIGSTOP');
  const waiting = await send('waiting', 500);
  await nats.stop();
  cpSync(join(folder, 'nats'), join(folder, 'older'), { recursive: true });
  await nats.restart();
  for (const worker of system.workers) worker.child.kill('SIGCONT');
  const second = await send('two', 3_000);
  const sent = first.length + waiting.length + second.length;
  await waitUntil('everything is stored', async () => {
    const { unique, duplicates } = await auditedTotals(system.database);
    return unique + duplicates === sent;
  });
  await drained(system, 1);
  const before = await storedBefore();

  await nats.stop();
  rmSync(join(folder, 'nats'), { recursive: true });
  cpSync(join(folder, 'older'), join(folder, 'nats'), { recursive: true });
  await nats.restart();
  const third = await send('three', 3_000);
  await waitUntil('a new epoch', async () => (await epochs()) === 2);
  await waitUntil('everything is stored', async () => {
    const { unique, duplicates } = await auditedTotals(system.database);
    return unique + duplicates === sent + third.length;
  });
  await drained(system, 1);
  await expectAllStored(system.database, [...first, ...waiting, ...second, ...third]);
  await expectUnchanged(before);
  expect(await system.database.value<number>('select count(*)::int from replays')).toBeGreaterThan(0);
  await streamIsEmpty();
}, 240_000);

test('a broker killed again and again under load: nothing answered is missing, nothing stays in the stream', async () => {
  let done = false;
  const plan = planCopies(1_000_000, 0.2, 'kill');
  const load = sendAll(plan, {
    connections: 3,
    batchSize: 50,
    makeClient: system.ingest,
    retry: true,
    until: () => done,
  });
  const stored = () => system.database.value<number>('select count(*)::int from event_keys');
  for (let kill = 0; kill < 6; kill++) {
    const before = await stored();
    await waitUntil('events are stored again', async () => (await stored()) > before + 500);
    await nats.kill();
    await nats.restart();
  }
  done = true;
  const { answered, attempts } = await load;
  await streamIsEmpty();
  await drained(system, 1);
  const { unique, duplicates } = await auditedTotals(system.database);
  await expectAllStored(system.database, answered);
  expect(unique + duplicates).toBeGreaterThanOrEqual(answered.length);
  expect(unique + duplicates).toBeLessThanOrEqual(attempts);
  expect(await epochs()).toBe(1);
}, 300_000);
