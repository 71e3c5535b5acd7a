import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, expect, inject, test } from 'vitest';
import { askStream, followGrpc, followHttp, textOf } from '../../../tests/support/followers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { encodeCursor } from '../src/cursor.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

const superuser = new pg.Pool({ connectionString: inject('postgresUrl'), max: 1 });
let fixture: QueryFixture;
let doors: Doors;
let name: string;
beforeEach(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  doors = await openDoors(fixture.queries);
  name = new URL(fixture.database.url).pathname.slice(1);
});
afterEach(async () => {
  await doors.stop();
  await fixture.close();
  for (const other of ['backup', 'gone'])
    await superuser.query(`drop database if exists ${name}_${other} with (force)`);
});
afterAll(() => superuser.end());

/** While nobody is connected to it. */
async function aside(work: () => Promise<unknown>): Promise<void> {
  await superuser.query(`alter database ${name} allow_connections false`);
  await waitUntil('nobody is connected', async () => {
    await superuser.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    const { rowCount } = await superuser.query('select from pg_stat_activity where datname = $1', [name]);
    return rowCount === 0;
  });
  await work();
  await superuser.query(`alter database ${name} allow_connections true`);
}

const backUp = () => aside(() => superuser.query(`create database ${name}_backup template ${name}`));

const putBack = () =>
  aside(async () => {
    await superuser.query(`alter database ${name} rename to ${name}_gone`);
    await superuser.query(`alter database ${name}_backup rename to ${name}`);
  });

async function storeUpTo(last: number): Promise<void> {
  const first = Number(await fixture.database.value('select position from watermark')) + 1;
  await fixture.store(...Array.from({ length: last - first + 1 }, (_, n) => ({ position: first + n })));
  await fixture.advance(last);
}

const reason = 'STORE_WENT_BACK';
const message = 'is beyond what is stored: the database was put back to an older state';

/** Three who were given everything, one of them with nothing that it wants among it. */
async function followAll() {
  const heard = [
    await followHttp(doors.http, { from: 'start' }),
    await followHttp(doors.http, { from: 'start', topic: 'others' }),
  ] as const;
  const byGrpc = await followGrpc(doors.client(), { cursor: encodeCursor(1n) });
  await waitUntil('all have it', () => heard[0].positions.at(-1) === 20 && byGrpc.positions.at(-1) === 20);
  return { heard, byGrpc };
}

async function allAreTold({ heard, byGrpc }: Awaited<ReturnType<typeof followAll>>): Promise<void> {
  await waitUntil('all are told', () => [...heard, byGrpc].every(({ ended }) => ended !== undefined));
  for (const { messages } of heard) {
    expect(messages.at(-1)?.event).toBe('error');
    expect(JSON.parse(messages.at(-1)?.data ?? '')).toMatchObject({
      error: { code: 'invalid_argument', fields: [{ field: 'cursor', message }] },
    });
  }
  expect(fromGrpcError(byGrpc.ended as ServiceError)).toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason,
    fields: [{ field: 'cursor', message }],
  });
}

test('who was given more than a database holds that was put back is told so, and others follow on', async () => {
  await storeUpTo(10);
  await backUp();
  await storeUpTo(20);
  const all = await followAll();
  await putBack();
  await allAreTold(all);
  const refused = await askStream(doors.http, {}, { 'last-event-id': encodeCursor(20n) });
  expect([refused.statusCode, await textOf(refused)]).toEqual([400, expect.stringContaining('Last-Event-ID')]);
  const again = await followHttp(doors.http, { cursor: encodeCursor(10n) });
  await storeUpTo(12);
  await waitUntil('it goes on', () => again.positions.length === 2);
  expect(again.positions).toEqual([11, 12]);
  await again.stop();
});

test('so is everybody when positions were given out anew before anybody looked, in an epoch of their own', async () => {
  await storeUpTo(10);
  await backUp();
  await storeUpTo(20);
  const all = await followAll();
  const changed = new pg.Pool({ connectionString: fixture.database.url.replace(name, `${name}_backup`), max: 1 });
  await changed.query(`select open_epoch_v2(1, 'another', 1, 0, 'test')`);
  await changed.query('select advance_watermark_v1(2, 30, 30)');
  await changed.end();
  await putBack();
  await allAreTold(all);
});

test('who was only now reading what is gone is given what there is instead', async () => {
  await storeUpTo(10);
  await backUp();
  await storeUpTo(20);
  let goOn = () => undefined as unknown;
  const found = new Promise((resolve) => {
    goOn = () => resolve(undefined);
  });
  const { searchEvents } = fixture.queries;
  const slow = await openDoors({
    ...fixture.queries,
    async searchEvents(...asked) {
      const result = await searchEvents(...asked);
      await found;
      return result;
    },
  });
  const live = await followHttp(slow.http);
  const heard = await followHttp(slow.http, { from: 'start' });
  await putBack();
  await waitUntil('it is known', () => live.ended !== undefined);
  goOn();
  await waitUntil('it is given what there is', () => heard.positions.length >= 10);
  await storeUpTo(12);
  await waitUntil('it goes on', () => heard.positions.at(-1) === 12);
  expect(heard.positions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  await heard.stop();
  await slow.stop();
});

test('an epoch that opens above everything ends nobody', async () => {
  await storeUpTo(20);
  const { heard, byGrpc } = await followAll();
  await fixture.database.pool.query(`select open_epoch_v2(1, 'another', 1, 0, 'test')`);
  await storeUpTo(22);
  await waitUntil('they go on', () => [heard[0], byGrpc].every(({ positions }) => positions.at(-1) === 22));
  for (const each of [...heard, byGrpc]) {
    expect(each.ended).toBeUndefined();
    await each.stop();
  }
});
