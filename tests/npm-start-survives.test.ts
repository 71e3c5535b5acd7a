import { IngestServiceClient, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { credentials } from '@grpc/grpc-js';
import { beforeEach, expect, test } from 'vitest';
import { killAll, type Launcher, processesOf, type Scratch, scratch, startLauncher } from './launcher/harness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { waitUntil } from './support/wait-until.js';

let place: Scratch;
let launcher: Launcher;
let http: string;

beforeEach(async () => {
  place = await scratch();
  http = `http://127.0.0.1:${place.environment.HTTP_PORT}`;
  await start();
  return async () => {
    launcher.process.kill('SIGINT');
    await launcher.ended();
    place.remove();
  };
});

async function start(): Promise<void> {
  launcher = startLauncher({ environment: { ...place.environment, LOG_LEVEL: 'warn' } });
  await launcher.line(/eventsieve is ready/);
  // The doors are open before the gateway has found the broker, and a worker both.
  await waitUntil('every part has found the others', async () => (await fetch(`${http}/health`)).ok);
}

const event = {
  topic: 'orders',
  event_id: 'e1',
  timestamp: '2026-11-21T10:00:00Z',
  source: 'shop',
  payload: { total: 12.5 },
};

async function post(change: object = {}, query = ''): Promise<{ status: number; body: Record<string, unknown> }> {
  // The number is written as it stands: JSON.stringify cannot.
  const text = JSON.stringify({ ...event, payload: { total: 12.5 }, ...change }).replace(
    '{"total":12.5}',
    '{"order":12345678901234567890,"total":12.5}',
  );
  const response = await fetch(`${http}/publish${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: text,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function get(path: string): Promise<Record<string, unknown>> {
  return (await (await fetch(http + path)).json()) as Record<string, unknown>;
}

const counted = (counts: object) =>
  waitUntil('the counts are there', async () => {
    const stats = await get('/stats');
    return Object.entries(counts).every(([name, value]) => stats[name] === value) && stats.in_flight === 0;
  });

test('the same event three times is one row, also after kill -9 of every process at once, and a fourth copy is a duplicate', async () => {
  expect(await post()).toMatchObject({ status: 201, body: { results: [{ outcome: 'stored' }], inserted: 1 } });
  expect(await post()).toMatchObject({ status: 200, body: { results: [{ outcome: 'duplicate' }], duplicates: 1 } });
  expect((await post({}, '?wait=broker')).status).toBe(202);
  await counted({ received: 3, unique_processed: 1, duplicate_dropped: 2 });

  killAll(processesOf(place.dataDir));
  await launcher.ended();
  await waitUntil('nothing is left', () => processesOf(place.dataDir).length === 0);

  await start();
  await counted({ received: 3, unique_processed: 1, duplicate_dropped: 2 });
  expect(await post()).toMatchObject({ status: 200, body: { results: [{ outcome: 'duplicate' }] } });
  await counted({ received: 4, unique_processed: 1, duplicate_dropped: 3 });
  expect(await get('/events?topic=orders')).toMatchObject({ count: 1, events: [{ id: '1', event_id: 'e1' }] });
  expect(await get('/stats/reconcile')).toMatchObject({ ok: true, differences: [] });
}, 120_000);

test('the same id with another payload is a conflict, with only another timestamp a duplicate; the first one stays', async () => {
  await post();
  expect(await post({ payload: { total: 13 } })).toMatchObject({
    status: 409,
    body: { conflicts: 1, results: [{ outcome: 'conflict' }] },
  });
  expect(await post({ source: 'other' })).toMatchObject({ status: 409 });
  expect(await post({ timestamp: '2026-11-21T11:00:00+01:00' })).toMatchObject({ status: 200, body: { conflicts: 0 } });
  await counted({ received: 4, unique_processed: 1, duplicate_dropped: 3, conflicts: 2 });
  const text = await (await fetch(`${http}/events/orders/e1`)).text();
  expect(text).toContain('12345678901234567890');
  expect(text).toContain('"2026-11-21T10:00:00');
}, 120_000);

test('Ctrl-C under load loses nothing that was answered', async () => {
  let stopping = false;
  const address = `127.0.0.1:${place.environment.GATEWAY_GRPC_PORT}`;
  const options = {
    connections: 4,
    batchSize: 20,
    makeClient: () => new IngestServiceClient(address, credentials.createInsecure()),
    until: () => stopping,
    retry: true,
  };
  const loads = [WaitFor.WAIT_FOR_BROKER, WaitFor.WAIT_FOR_STORED].map((waitFor) =>
    sendAll(planCopies(500_000, 0.2, `run-${waitFor}`), { ...options, waitFor }),
  );
  await waitUntil('the load runs', async () => ((await get('/stats')).received as number) > 2_000);
  launcher.process.kill('SIGINT');
  expect(await launcher.ended(10_000)).toEqual({ code: 0, signal: null });
  stopping = true;
  const answered = (await Promise.all(loads)).flatMap((load) => load.answered);
  expect(processesOf(place.dataDir)).toEqual([]);

  await start();
  await waitUntil('everything is stored', async () => (await get('/stats')).in_flight === 0);
  expect(await get('/stats/reconcile')).toMatchObject({ ok: true, differences: [] });
  const stats = await get('/stats');
  expect(stats.received as number).toBeGreaterThanOrEqual(answered.length);
  const stored = await storedIds();
  expect(answered.filter(({ topic, eventId }) => !stored.has(`${topic}/${eventId}`))).toEqual([]);
}, 120_000);

async function storedIds(): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor = '';
  do {
    const page = (await get(`/events?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`)) as {
      events: { topic: string; event_id: string }[];
      next_cursor: string | null;
    };
    for (const { topic, event_id } of page.events) ids.add(`${topic}/${event_id}`);
    cursor = page.next_cursor ?? '';
  } while (cursor !== '');
  return ids;
}
