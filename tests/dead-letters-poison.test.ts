import { publishAll } from '@eventsieve/runtime/publish-all';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyOf, poison, text } from '../services/dedup-worker/tests/poison.js';
import { auditedTotals, drained } from './support/exactness.js';
import { refuseMarked } from './support/refuse-marked.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';
import { watchCounts } from './support/watch-counts.js';

let system: System;
let broker: NatsConnection;

beforeAll(async () => {
  system = await startSystem();
  broker = await connect({ servers: system.natsUrl });
  await waitUntil('the stream is there', () => system.database.value('select max(epoch) from epochs'));
});
afterAll(async () => {
  await broker.close();
  await system.stop();
});

const publish = (body: object, query = '') =>
  fetch(`${system.http}/publish${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const get = async (path: string) => (await (await fetch(system.http + path)).json()) as { [name: string]: unknown };
const event = (event_id: string, payload: object) => ({
  topic: 'waited',
  event_id,
  source: 's',
  timestamp: '2026-11-21T10:00:00Z',
  payload,
});

test.each(poison.map(([what, body, code], round) => [what, code, body, round + 1] as const))(
  '%s (%s) among 500: the others are stored, it is kept with a reason, and the sum holds all the time',
  async (what, code, body, round) => {
    const watch = watchCounts(system);
    for (let i = 0; i < 500; i++) {
      const copy = i === 250 ? Uint8Array.from(body) : copyOf(text(`${round}-${i}`), text(`{"i":${i}}`));
      broker.publish(`${system.names.eventSubjectPrefix}t`, copy);
    }
    await broker.flush();
    await drained(system, 500 * round);
    expect(await auditedTotals(system.database)).toMatchObject({ unique: 499 * round, duplicates: 0, dead: round });
    const list = await get('/dead-letters?order=desc&limit=1');
    const [letter] = list.dead_letters as { code: string; reason: string; id: string }[];
    expect(letter).toMatchObject({ code, state: 'open', id: String(500 * (round - 1) + 251) });
    expect(letter?.reason.length, what).toBeGreaterThan(5);
    const whole = await get(`/dead-letters/${letter?.id}`);
    expect(Buffer.from(String(whole.body_base64), 'base64').equals(Buffer.from(body))).toBe(true);
    await watch.stop();
  },
);

test('headers that no client would send are kept as they can be read, and hold up nobody', async () => {
  const before = await auditedTotals(system.database);
  const subject = `${system.names.eventSubjectPrefix}t`;
  const headers = [
    ['NATS/1.0\r\nnot a name: 1\r\nfine: 2\r\nfine:3\r\n\r\n', { 'not a name': ['1'], fine: ['2', '3'] }],
    [
      'NATS/1.0\r\nGröße: ä\0b\r\n: no name\r\n__proto__: p\r\n\r\n',
      { Größe: ['ä\ufffdb'], '': ['no name'], ['__proto__']: ['p'] },
    ],
    ['nothing at all', {}],
    ['NATS/1.0 503 nobody\r\nno colon\r\n\r\n', {}],
  ] as const;
  for (const [index, [header]] of headers.entries()) {
    const poisoned = { subject, header: Buffer.from(header), body: Buffer.from([0xff]) };
    // Both a new one and its copy, of which a line is written.
    const good = { subject, header: Buffer.from(header), body: copyOf(text(`headed-${index}`), text('{}')) };
    publishAll(broker, [poisoned, good, good]);
  }
  await broker.flush();
  const all = headers.length;
  await waitUntil('all of it is settled', async () => {
    const now = await auditedTotals(system.database);
    return (
      now.dead === before.dead + all && now.unique === before.unique + all && now.duplicates === before.duplicates + all
    );
  });
  const { dead_letters } = await get(`/dead-letters?order=desc&limit=${all}`);
  const kept = (dead_letters as { id: string }[]).map(async ({ id }) => (await get(`/dead-letters/${id}`)).headers);
  expect((await Promise.all(kept)).reverse()).toEqual(headers.map(([, readable]) => readable));
});

test('who waits for a copy that is dead-lettered is told so with the reason, and so is who looks for it, until it is redriven', async () => {
  const lift = await refuseMarked(system.database.pool);
  const single = await publish(event('single', { marked: 1 }));
  const reason = expect.stringContaining('22023: marked payloads are refused');
  expect(single.status).toBe(422);
  const refused = { outcome: 'dead_lettered', error: { message: reason } };
  expect(await single.json()).toMatchObject({ received: 1, inserted: 0, results: [refused] });
  const batch = await publish([event('good', {}), event('bad', { marked: 1 })]);
  expect(batch.status).toBe(200);
  expect(await batch.json()).toMatchObject({ received: 2, inserted: 1, results: [{ outcome: 'stored' }, refused] });
  expect(await get('/events/waited/single')).toMatchObject({ status: 'dead_lettered' });

  await lift();
  const redrive = await fetch(`${system.http}/dead-letters/redrive`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ filter: { topic: 'waited' } }),
  });
  expect(await redrive.json()).toMatchObject({
    matched: 2,
    sent: 2,
    results: [{ outcome: 'stored' }, { outcome: 'stored' }],
  });
  expect(await get('/events/waited/single')).toMatchObject({ status: 'stored', payload: { marked: 1 } });
  expect(await get('/stats/reconcile')).toMatchObject({ ok: true, differences: [] });
});
