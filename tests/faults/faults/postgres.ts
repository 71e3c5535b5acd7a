import { Client } from 'pg';
import type { Fault } from './fault.js';

const target = () => 'postgres';
const ours = "application_name like 'eventsieve%'";

export const terminateBackends: Fault = {
  kind: 'pg_terminate_backend on all',
  target,
  async run({ world, random, sleep }) {
    for (let times = random.whole(1, 6); times > 0; times--) {
      await world.direct.pool
        .query(`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`)
        .catch(() => undefined);
      await sleep(random.whole(50, 700));
    }
  },
};

export const readOnly: Fault = {
  kind: 'Postgres read-only',
  target,
  async run({ world: { direct }, random, sleep }) {
    await direct.pool.query('alter system set default_transaction_read_only = on');
    await direct.pool.query('select pg_reload_conf()');
    await sleep(random.whole(500, 4_000));
    await direct.pool.query('alter system reset default_transaction_read_only');
    await direct.pool.query('select pg_reload_conf()');
  },
};

export const restartPostgres: Fault = {
  kind: 'Postgres restarted',
  target,
  run: ({ world }) => world.postgres.restart(),
};

export const noConnections: Fault = {
  kind: 'Postgres out of connections',
  target,
  async run({ world: { postgres, direct }, random, sleep }) {
    const taken: Client[] = [];
    // Whoever comes back now finds no place.
    for (let i = 0; i < 120; i++) {
      const client = new Client({ connectionString: postgres.url, connectionTimeoutMillis: 2_000 });
      client.on('error', () => undefined);
      const full = await client.connect().then(
        () => false,
        () => true,
      );
      if (full) break;
      taken.push(client);
    }
    await direct.pool
      .query(`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`)
      .catch(() => undefined);
    await sleep(random.whole(500, 4_000));
    await Promise.all(taken.map((client) => client.end().catch(() => undefined)));
  },
};

/** Storing calls wait for a lock, longer than they may. */
export const lockTables: Fault = {
  kind: 'tables locked',
  target,
  async run({ world: { postgres }, random, sleep }) {
    const client = new Client({ connectionString: postgres.url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query('begin');
      await client.query(`lock table ${random.pick(['events', 'event_keys', 'topic_counters'])} in exclusive mode`);
      await sleep(random.whole(500, 7_000));
      await client.query('rollback');
    } finally {
      await client.end().catch(() => undefined);
    }
  },
};

export const postgresFaults: readonly Fault[] = [
  terminateBackends,
  readOnly,
  restartPostgres,
  noConnections,
  lockTables,
];
