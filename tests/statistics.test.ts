import { WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import {
  type GetStatsSeriesResponse,
  type ListDuplicatesResponse,
  type ListStatsResponse,
  QueryServiceClient,
  SeriesStep,
  StatsGroup,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { eventOf, planCopies, publish, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

interface Counted {
  readonly received: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly conflicts: number;
}

function sumOf(all: readonly Counted[]): Counted {
  const of = (name: keyof Counted) => all.reduce((sum, each) => sum + each[name], 0);
  return {
    received: of('received'),
    unique_processed: of('unique_processed'),
    duplicate_dropped: of('duplicate_dropped'),
    conflicts: of('conflicts'),
  };
}

test('every view of the counts adds up to the same, whoever dies meanwhile', async () => {
  const system = await startSystem({ workers: 2 });
  const read = async (path: string) => (await fetch(system.http + path)).json() as Promise<Record<string, unknown>>;
  try {
    const plan = planCopies(6_000, 0.4, 'run');
    const options = { connections: 10, batchSize: 20, makeClient: system.ingest };
    // The broker's window drops repeats of the first, Postgres those of the second.
    const sending = sendAll(plan, { ...options, waitFor: WaitFor.WAIT_FOR_BROKER });
    await waitUntil('something is counted by source', async () => {
      const { sources } = (await read('/stats/sources')) as { sources: unknown[] };
      return sources.length > 0;
    });
    await system.workers[0]?.kill('SIGKILL');
    system.workers[0] = await system.startWorker();
    await sending;
    await sendAll(plan.slice(0, 1_000), { ...options, waitFor: WaitFor.WAIT_FOR_STORED });
    const client = system.ingest();
    const { conflicts } = await publish(
      client,
      plan.slice(0, 30).map((planned) => eventOf(planned, 'somebody else')),
      WaitFor.WAIT_FOR_STORED,
    );
    client.close();
    expect(conflicts).toBe(30);
    await drained(system);
    await waitUntil('all is counted by source', async () => (await read('/stats/sources')).behind === 0);

    const { lifetime } = (await read('/stats')) as { lifetime: Counted };
    const whole = sumOf([lifetime]);
    expect(whole).toEqual({ received: 7_030, unique_processed: 3_600, duplicate_dropped: 3_430, conflicts: 30 });
    const { topics } = (await read('/stats/topics')) as { topics: Counted[] };
    const { sources } = (await read('/stats/sources')) as { sources: (Counted & { source: string })[] };
    expect(sumOf(topics)).toEqual(whole);
    expect(sumOf(sources)).toEqual(whole);
    expect(sources.map(({ source }) => source)).toEqual(['somebody else', 'test']);
    for (const step of ['1m', '1h', '1d']) {
      const { totals } = (await read(`/stats/series?step=${step}`)) as { totals: Counted };
      expect(totals, step).toMatchObject(whole);
    }
    const duplicates = (await read('/duplicates?limit=20')) as {
      sources: Counted[];
      gaps: { duplicates: number }[];
      conflicts: { refused: { source: string } }[];
      next_cursor: string;
    };
    expect(sumOf(duplicates.sources)).toEqual(whole);
    expect(duplicates.gaps.reduce((sum, gap) => sum + gap.duplicates, 0)).toBe(whole.duplicate_dropped);
    expect(duplicates.conflicts.map(({ refused }) => refused.source)).toEqual(Array(20).fill('somebody else'));
    const rest = (await read(`/duplicates?cursor=${duplicates.next_cursor}`)) as { conflicts: unknown[] };
    expect(rest.conflicts).toHaveLength(10);
    // Both kinds of repeats are in it.
    expect(await system.database.value<number>('select count(*)::int from tallies')).toBeGreaterThan(0);
    expect(await system.database.value<number>('select count(*)::int from refused')).toBeGreaterThan(30);
  } finally {
    await system.stop();
  }
}, 120_000);

test('both doors answer the same', async () => {
  const system = await startSystem();
  const client = new QueryServiceClient(system.queryAddress, credentials.createInsecure());
  try {
    const ingest = system.ingest();
    const one = { topic: 'orders', eventId: 'a', payload: '{"n":1}' };
    for (const payload of ['{"n":1}', '{"n":1}', '{"n":2.50}']) {
      await publish(ingest, [eventOf({ ...one, payload })], WaitFor.WAIT_FOR_STORED);
    }
    ingest.close();
    const call = <Response>(begin: (done: (error: ServiceError | null, response: Response) => void) => void) =>
      new Promise<Response>((resolve, reject) =>
        begin((error, response) => (error ? reject(error) : resolve(response))),
      );
    const page = { limit: 0, cursor: '', topic: 'orders' };
    await waitUntil('all is counted by source', async () => {
      const { behind } = await call<ListStatsResponse>((done) =>
        client.listStats({ ...page, group: StatsGroup.STATS_GROUP_SOURCE }, done),
      );
      return behind === 0n;
    });
    const { totals } = await call<GetStatsSeriesResponse>((done) =>
      client.getStatsSeries(
        { topic: 'orders', from: undefined, to: undefined, step: SeriesStep.SERIES_STEP_HOUR },
        done,
      ),
    );
    expect(totals).toMatchObject({ received: 3n, uniqueProcessed: 1n, duplicateDropped: 2n, conflicts: 1n });
    const found = await call<ListDuplicatesResponse>((done) => client.listDuplicates({ ...page, source: '' }, done));
    expect(found.sources).toMatchObject([{ source: 'test', topic: 'orders', duplicateDropped: 2n, conflicts: 1n }]);
    expect(found.conflicts).toMatchObject([
      {
        eventId: 'a',
        stored: { event: { payloadJson: '{"n": 1}' } },
        refused: { event: { payloadJson: '{"n": 2.50}' } },
      },
    ]);
    expect(found.window?.covered).toBe(1);
    await expect(
      call<ListDuplicatesResponse>((done) => client.listDuplicates({ ...page, source: '', limit: 1001 }, done)),
    ).rejects.toThrow('limit: must be from 1 to 1000');
  } finally {
    client.close();
    await system.stop();
  }
}, 60_000);
