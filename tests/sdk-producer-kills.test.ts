import { setTimeout } from 'node:timers/promises';
import { createClient, EventsieveError, type PublishResult } from '@eventsieve/client';
import { expect, test } from 'vitest';
import { auditedTotals, drained, expectAllStored } from './support/exactness.js';
import type { Planned } from './support/publishers.js';
import { startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const kills = 6;
const verdictsBetween = 300;

test(`a gateway killed ${kills} times under load: each send has its verdict, nothing is lost or stored twice`, async () => {
  const system = await startSystem({ query: false });
  const client = createClient({ gateway: system.gatewayAddress });
  const producer = client.producer({ maxBatch: 20, maxBufferedBytes: 400_000, timeoutMs: 60_000 });
  const planned: Planned[] = [];
  const sends: Promise<PublishResult>[] = [];
  let verdicts = 0;
  let done = false;

  async function publish(): Promise<void> {
    for (let index = 0; !done; index++) {
      // Every tenth repeats an earlier one.
      const id = index % 10 === 9 ? Math.floor(index / 2) : index;
      const payload = `{"id":${id},"amount":12.50}`;
      await producer.ready();
      planned.push({ topic: `t${id % 3}`, eventId: `k-${id}`, payload });
      const sent = producer.send({ topic: `t${id % 3}`, eventId: `k-${id}`, source: 'kills', payloadJson: payload });
      sends.push(sent);
      sent.finally(() => verdicts++).catch(() => undefined);
      if (index % 10 === 0) await setTimeout(1);
    }
  }

  async function kill(): Promise<void> {
    for (let kill = 0; kill < kills; kill++) {
      const before = verdicts;
      await waitUntil('verdicts come', () => verdicts >= before + verdictsBetween);
      await system.gateway.kill('SIGKILL');
      system.gateway = await system.startGateway();
    }
    done = true;
  }

  try {
    await Promise.all([publish(), kill()]);
    await producer.close();
    const settled = await Promise.allSettled(sends);
    const failures = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    for (const failure of failures) expect(failure).toBeInstanceOf(EventsieveError);
    expect(failures.map(({ message }) => message)).toEqual([]);
    const results = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(results.map(({ topic, eventId }) => `${topic}/${eventId}`)).toEqual(
      planned.map(({ topic, eventId }) => `${topic}/${eventId}`),
    );
    // Otherwise no call was under way when the gateway died, and this has shown nothing.
    expect(results.filter(({ attempts }) => attempts !== undefined).length).toBeGreaterThan(20);

    await drained(system, 1);
    const distinct = new Set(planned.map(({ eventId }) => eventId)).size;
    const totals = await auditedTotals(system.database);
    expect(totals).toMatchObject({ unique: distinct, conflicts: 0, dead: 0 });
    expect(totals.duplicates).toBeGreaterThanOrEqual(planned.length - distinct);
    await expectAllStored(system.database, planned);
    // Nobody but the stored copy was told stored: of each event at most one send.
    const storedIds = results.filter(({ outcome }) => outcome === 'stored').map(({ eventId }) => eventId);
    expect(new Set(storedIds).size).toBe(storedIds.length);
  } finally {
    done = true;
    await client.close({ signal: AbortSignal.abort() });
    await system.stop();
  }
}, 180_000);
