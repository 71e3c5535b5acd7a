import { beforeEach, describe, expect, it } from 'vitest';
import { reconcile } from '../src/rpc/reconcile.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeEach(async () => {
  fixture = await openFixture();
  return () => fixture.close();
});

const sql = (text: string) => fixture.database.pool.query(text);

/** What was found, in short: `lost_positions 3,4`. */
async function differences(): Promise<string[]> {
  const { differences: found } = await reconcile(fixture.queries);
  return found.map(({ what, positions }) => `${what} ${positions.join()}`.trim());
}

describe('an older copy of the stream that begins somewhere in the middle', () => {
  // Sequences 1 to 4 and 6 were stored and acked before the copy was made, 5 and 7 wait in it; 9 was given out since.
  beforeEach(async () => {
    await fixture.openEpoch();
    await fixture.send(7);
    await fixture.leave(1, 2, 3, 4, 6);
    await fixture.store(...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((position) => ({ position })));
    await fixture.advance(9);
    await fixture.openEpoch('went back');
  });

  it('leaves nothing lost that was stored before it, though this epoch has no rows for it', async () => {
    expect(await differences()).toEqual([]);
    await sql('insert into replays values (14, now(), 5), (16, now(), 7)');
    expect(await differences()).toEqual([]);
    await fixture.advance(16);
    expect(await differences()).toEqual([]);
  });

  it('leaves lost what it gave out itself and nobody stored', async () => {
    await sql('insert into replays values (14, now(), 5), (16, now(), 7)');
    await fixture.send(2);
    await fixture.leave(8);
    await fixture.store({ position: 18, receivedAt: new Date().toISOString() });
    await fixture.advance(18);
    expect(await differences()).toEqual(['lost_positions 17']);
  });

  it('leaves lost what no epoch has stored', async () => {
    await sql('delete from event_keys where position = 6; delete from events where position = 6');
    await sql(
      'update topic_counters set unique_count = unique_count - 1; update minute_counters set unique_count = unique_count - 1',
    );
    await sql('insert into replays values (14, now(), 5), (16, now(), 7)');
    await fixture.advance(16);
    expect(await differences()).toContain('lost_positions 6,15');
  });
});
