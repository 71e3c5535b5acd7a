import { type KeepingFixture, partitionOf } from './keeping-fixture.js';

/** Two events five days ago, one that came today, and the same for the broker. */
export async function keepThree(fixture: KeepingFixture): Promise<void> {
  await fixture.storeFrom(5, { position: 1 }, { position: 2 });
  await fixture.storeFrom(0, { position: 3 });
}

/** Of the partition of the day that is in `leaving`. */
export const leavingState = (fixture: KeepingFixture) =>
  fixture.database.value<string | null>(`
  select case when i.inhrelid is null then 'detached' when i.inhdetachpending then 'pending' else 'attached' end
  from leaving l left join pg_inherits i on i.inhrelid = to_regclass('events_' || to_char(l.day, 'YYYYMMDD'))`);

/** A transaction that may read every day, until it is ended. */
export async function reader(fixture: KeepingFixture): Promise<() => Promise<unknown>> {
  const client = await fixture.database.pool.connect();
  await client.query('begin');
  await client.query('select count(*) from events');
  return async () => {
    await client.query('commit');
    client.release();
  };
}

export async function detachWholly(fixture: KeepingFixture): Promise<void> {
  await fixture.sql(`alter table events detach partition ${partitionOf(5)} concurrently`);
}

/** As a worker leaves it that dies while somebody reads. */
export async function detachHalfway(fixture: KeepingFixture): Promise<void> {
  const endReading = await reader(fixture);
  const client = await fixture.database.pool.connect();
  await client.query("set lock_timeout = '100ms'");
  await client.query(`alter table events detach partition ${partitionOf(5)} concurrently`).catch(() => undefined);
  client.release(true);
  await endReading();
}
