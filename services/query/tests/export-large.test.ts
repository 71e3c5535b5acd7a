import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import type { Queries } from '../src/queries.js';
import { askExport, serveExports } from './export-fixture.js';
import { openFixture, type QueryFixture } from './query-fixture.js';

let fixture: QueryFixture;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  // Far more than anything between here and there holds.
  for (let done = 0; done < 4_000; done += 500) {
    await fixture.store(
      ...Array.from({ length: 500 }, (_, i) => ({
        position: 1 + done + i,
        topic: 'many',
        payload: JSON.stringify({ noise: randomBytes(2_000).toString('hex') }),
      })),
    );
  }
});
afterAll(() => fixture.close());

it('is one of a few at a time, whatever becomes of each', async () => {
  const few = await serveExports(fixture, {}, { maxExports: 2 });
  const open = [await askExport(few, '?topic=many'), await askExport(few, '?topic=many')];
  const refused = await askExport(few, '');
  expect(refused.statusCode).toBe(429);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  await buffer(refused);
  open[0]?.destroy();
  await buffer(open[1] as IncomingMessage);
  await waitUntil('there is room', async () => {
    const response = await askExport(few, '?cursor=nope');
    await buffer(response);
    const again = await Promise.all([askExport(few, '?topic=none'), askExport(few, '?topic=none')]);
    await Promise.all(again.map((each) => buffer(each)));
    return again.every(({ statusCode }) => statusCode === 200);
  });
  await few.stop();
});

it('is read no further than its client reads, and cut off when that takes nothing', async () => {
  let pages = 0;
  const { searchEvents } = fixture.queries;
  const counting: Queries['searchEvents'] = (filter, bounds) => searchEvents(filter, bounds).finally(() => pages++);
  const patient = await serveExports(fixture, { searchEvents: counting });
  const whole = await buffer(await askExport(patient, '?topic=many'));
  const all = pages;
  expect(whole.length).toBeGreaterThan(16_000_000);

  pages = 0;
  const waiting = await askExport(patient, '?topic=many');
  const hasty = await serveExports(fixture, {}, { patienceMs: 300, maxExports: 1 });
  const cut = await askExport(hasty, '?topic=many');
  // Neither is read from.
  await waitUntil('the one is cut off', async () => {
    const next = await askExport(hasty, '?topic=none');
    await buffer(next);
    return next.statusCode === 200;
  });
  expect(pages).toBeLessThan(all);
  await expect(buffer(cut)).rejects.toThrow(/aborted|reset/i);
  expect((await buffer(waiting)).equals(whole)).toBe(true);
  expect(pages).toBe(all);
  await Promise.all([patient.stop(), hasty.stop()]);
});

it('does not hold up a service that stops, and is broken by it', async () => {
  const stopping = await serveExports(fixture, {}, { graceMs: 100 }, { drainMs: 5_000 });
  const open = await askExport(stopping, '?topic=many');
  const begunAtMs = Date.now();
  // It would reject if connections had to be cut off.
  await stopping.stop();
  expect(Date.now() - begunAtMs).toBeLessThan(4_000);
  await expect(buffer(open)).rejects.toThrow(/aborted|reset/i);
});
