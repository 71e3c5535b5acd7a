import { expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { planCopies, sendAll } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

test('workers that come and go under load open no new epoch', async () => {
  const system = await startSystem({ query: false });
  let done = false;
  const plan = planCopies(400_000, 0.1, 'join');
  const load = sendAll(plan, { connections: 4, batchSize: 50, makeClient: system.ingest, until: () => done });
  try {
    for (let round = 0; round < 8; round++) {
      const joining = await Promise.all([system.startWorker(), system.startWorker()]);
      await waitUntil('they have joined', () => joining.every((worker) => worker.output().includes('"consuming"')));
      await Promise.all(joining.map((worker) => worker.kill(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL')));
    }
    done = true;
    const { answered } = await load;
    await drained(system, 1);
    expect(await system.database.value('select count(*)::int from epochs')).toBe(1);
    const { unique, duplicates } = await auditedTotals(system.database);
    expect(unique + duplicates).toBe(answered.length);
  } finally {
    done = true;
    await load.catch(() => undefined);
    await system.stop();
  }
}, 240_000);
