import { randomBytes } from 'node:crypto';
import { namesFor } from '@eventsieve/contract/names';
import { readDelivery } from '@eventsieve/dedup-worker/delivery';
import { ensureUpcomingPartitions } from '@eventsieve/dedup-worker/partitions';
import { openEpoch } from '@eventsieve/dedup-worker/sql/epochs';
import { storeBatch } from '@eventsieve/dedup-worker/store-batch';
import { encodeBrokerCopy } from '@eventsieve/gateway/encode-copy';
import { migrateStore } from '@eventsieve/store/migrate';
import { Client, Pool } from 'pg';
import type { Accepted } from './accepted.js';
import { sameJson } from './exact-json.js';
import { limits } from './limits.js';

const names = namesFor();
/** Postgres writes a space after each comma and colon: that makes the shortest values twice as long. */
const maxReadBytes = limits.maxEventBytes * 2 + 1024;
const maxFindings = 5;

/** Stores what the doors took as a worker does, on a database of its own, and reads it again. */
export interface Storing {
  readonly findings: readonly string[];
  readonly stored: number;
  store(batch: readonly Accepted[]): Promise<void>;
  close(): Promise<void>;
}

export async function openStoring(superuserUrl: string): Promise<Storing> {
  const name = `fuzz_${randomBytes(5).toString('hex')}`;
  await asSuperuser(superuserUrl, `create database ${name}`);
  const url = new URL(superuserUrl);
  url.pathname = `/${name}`;
  await migrateStore(url.href);
  const pool = new Pool({ connectionString: url.href, max: 1, statement_timeout: 30_000 });
  pool.on('error', () => undefined);
  await ensureUpcomingPartitions(pool);
  await openEpoch(pool, 0, { created: 'fuzz', firstSequence: 1, lastSequence: 0 }, 'first start');

  const findings: string[] = [];
  let last = 0;
  let stored = 0;
  const find = (what: string, { from }: Accepted) => {
    if (findings.length < maxFindings) findings.push(`${what}: ${from}`);
  };

  /** The worker itself splits a batch that Postgres refuses: here that is a finding already, and is split to name it. */
  async function attempt(batch: readonly Accepted[]): Promise<void> {
    const first = last + 1;
    const deliveries = batch.map(({ event }) => {
      const { subject, body } = encodeBrokerCopy(event, names.eventSubjectPrefix);
      const message = { subject, data: body, reply: `$JS.ACK.stream.consumer.1.${++last}.1.${Date.now()}000000.0` };
      return readDelivery(message as unknown as Parameters<typeof readDelivery>[0], 0n, names);
    });
    try {
      const judged = await storeBatch(pool, 1, 0, deliveries);
      await compare(
        batch.map((each, index) => [first + index, each] as const).filter(([at]) => !judged.has(BigInt(at))),
      );
    } catch (error) {
      last = first - 1;
      if (batch.length === 1) return find(`Postgres refuses it (${(error as Error).message})`, batch[0] as Accepted);
      const half = batch.length >> 1;
      await attempt(batch.slice(0, half));
      last = Math.max(last, first + half - 1);
      await attempt(batch.slice(half));
    }
  }

  async function compare(kept: readonly (readonly [position: number, accepted: Accepted])[]): Promise<void> {
    const { rows } = await pool.query<Row>(selectRows, [kept.map(([position]) => position)]);
    const found = new Map(rows.map((row) => [Number(row.position), row]));
    for (const [position, accepted] of kept) {
      const row = found.get(position);
      const { topic, eventId, source, timestampUs } = accepted.event;
      const given = [topic, eventId, source].map((each) => Buffer.from(each).toString());
      if (row === undefined) find('is not there', accepted);
      else if ([row.topic, row.event_id, row.source].join('\n') !== given.join('\n')) find('has other text', accepted);
      else if (row.timestamp_us !== String(timestampUs)) find(`is at ${row.timestamp_us}`, accepted);
      else if (row.bytes > maxReadBytes) find(`is ${row.bytes} bytes when it is read`, accepted);
      else if (!sameJson(row.payload, accepted.sent)) find(`came back as ${row.payload.slice(0, 300)}`, accepted);
      stored++;
    }
  }

  return {
    findings,
    get stored() {
      return stored;
    },
    store: attempt,
    async close() {
      await pool.end();
      await asSuperuser(superuserUrl, `drop database if exists ${name} with (force)`);
    },
  };
}

type Row = Readonly<Record<'position' | 'topic' | 'event_id' | 'source' | 'payload' | 'timestamp_us', string>> & {
  readonly bytes: number;
};

const selectRows = `
  select position, topic, event_id, source, payload::text as payload, octet_length(payload::text) as bytes,
         (extract(epoch from "timestamp") * 1000000)::bigint as timestamp_us
  from events where position = any ($1)`;

async function asSuperuser(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
