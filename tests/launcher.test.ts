import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  databaseUrl,
  familyOf,
  gone,
  type Launcher,
  pidOf,
  processesOf,
  type Scratch,
  type StartOptions,
  scratch,
  startLauncher,
  stubLauncher,
  usingSql,
} from './launcher/harness.js';
import { waitUntil } from './support/wait-until.js';

let place: Scratch;
const running: Launcher[] = [];

beforeEach(async () => {
  place = await scratch();
});

afterEach(async () => {
  for (const launcher of running.splice(0)) launcher.process.kill('SIGKILL');
  await gone(place.dataDir);
  place.remove();
});

function start(options: Partial<StartOptions> = {}): Launcher {
  const environment = { ...place.environment, ...options.environment };
  const launcher = startLauncher({ entry: stubLauncher, ...options, environment });
  running.push(launcher);
  return launcher;
}

async function startReady(options: Partial<StartOptions> = {}): Promise<Launcher> {
  const launcher = start(options);
  await launcher.line(/^eventsieve is ready$/);
  return launcher;
}

const kill = (pattern: RegExp) => process.kill(pidOf(place.dataDir, pattern), 'SIGKILL');
const postgresPattern = /bin\/postgres -D/;
const natsPattern = /nats-server -c/;

test('each part is a child of the launcher in a process group of its own, which no Ctrl-C reaches', async () => {
  const launcher = await startReady();
  const parts = processesOf(place.dataDir).filter(({ pid }) => familyOf(pid).parent === launcher.pid);
  expect(parts.map(({ pid }) => familyOf(pid).group)).toEqual(parts.map(({ pid }) => pid));
  // Postgres, nats-server, gateway, query, one worker, and the guard
  expect(parts).toHaveLength(6);
});

describe('a part that dies', () => {
  test('a service killed with -9 is started again within a second, with a line that says so', async () => {
    const launcher = await startReady();
    const before = processesOf(place.dataDir).filter(({ command }) => /stub-service/.test(command));
    expect(before).toHaveLength(3);
    process.kill(before[0]?.pid as number, 'SIGKILL');
    await launcher.line(/^(gateway|query|worker-1) ended \(signal SIGKILL\), starting it again in 0\.1 s$/);
    await launcher.line(/^(gateway|query|worker-1) is up again \(pid \d+/);
    expect(processesOf(place.dataDir).filter(({ command }) => /stub-service/.test(command))).toHaveLength(3);
  });

  test("Postgres' first process and nats-server killed with -9 come back on the same ports", async () => {
    const launcher = await startReady();
    await usingSql(place, async (client) => {
      await client.query('create table kept (n int)');
      await client.query('insert into kept values (1)');
    });
    kill(postgresPattern);
    await launcher.line(/^postgres ended \(signal SIGKILL\)/);
    await launcher.line(/^postgres is up again/);
    await usingSql(place, async (client) => {
      expect((await client.query('select n from kept')).rows).toEqual([{ n: 1 }]);
    });
    kill(natsPattern);
    await launcher.line(/^nats-server ended \(signal SIGKILL\)/);
    await launcher.line(/^nats-server is up again/);
  });

  test('a busy backend that outlives its killed Postgres does not keep the new one from starting', async () => {
    const launcher = await startReady();
    const client = new pg.Client({ connectionString: databaseUrl(place) });
    client.on('error', () => {});
    await client.connect();
    // Longer than the restart is waited for, and an end of its own where the test is broken off.
    const spin = client.query(`do $$ begin
      while clock_timestamp() < now() + interval '90 seconds' loop perform count(*) from generate_series(1, 100000); end loop;
    end $$`);
    spin.catch(() => {});
    await usingSql(place, async (other) => {
      const active = "select count(*)::int as n from pg_stat_activity where state = 'active' and query like 'do %'";
      await waitUntil('it is busy', async () => (await other.query(active)).rows[0].n === 1);
    });
    kill(postgresPattern);
    await launcher.line(/^postgres is up again/);
    await usingSql(place, (other) => other.query('select 1'));
  });
});

describe('stopping', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends everything with exit code 0', async (signal) => {
    const launcher = await startReady({ environment: { WORKERS: '3' } });
    launcher.process.kill(signal);
    // What npm does on top of the terminal: the same wish a second time.
    launcher.process.kill(signal);
    expect(await launcher.ended()).toEqual({ code: 0, signal: null });
    expect(processesOf(place.dataDir)).toEqual([]);
    expect(launcher.output()).toContain('eventsieve has stopped');
    expect(launcher.output()).not.toContain('stopping at once');
    expect(postgresLog()).toContain('database system is shut down');
  });

  test('services that ignore SIGTERM do not hold up the end beyond ten seconds, and Postgres still ends in order', async () => {
    const launcher = await startReady({ environment: { STUB_STUBBORN: '1' } });
    launcher.process.kill('SIGTERM');
    expect(await launcher.ended(10_000)).toEqual({ code: 0, signal: null });
    expect(processesOf(place.dataDir)).toEqual([]);
    expect(postgresLog()).toContain('database system is shut down');
  });

  test('a second Ctrl-C hurries', async () => {
    const launcher = await startReady({ environment: { STUB_STUBBORN: '1' } });
    launcher.process.kill('SIGINT');
    await launcher.line(/^stopping/);
    // Sooner it would be taken for the copy of the first one that npm sends.
    await new Promise((resolve) => setTimeout(resolve, 800));
    const hurriedAt = Date.now();
    launcher.process.kill('SIGINT');
    await launcher.ended();
    // Unhurried, doors and workers that ignore their signal take more than five seconds from here.
    expect(Date.now() - hurriedAt).toBeLessThan(4_500);
    expect(processesOf(place.dataDir)).toEqual([]);
  });

  test.each([/^postgres: making a new database/, /^migrations:/])(
    'also in the middle of the start, after %s',
    async (moment) => {
      const launcher = start();
      await launcher.line(moment);
      launcher.process.kill('SIGINT');
      expect(await launcher.ended()).toEqual({ code: 0, signal: null });
      expect(processesOf(place.dataDir)).toEqual([]);
      // and what the stopped start left behind does not disturb the next one
      const again = await startReady();
      again.process.kill('SIGINT');
      await again.ended();
    },
  );

  test('also while the services wait for something and are not ready', async () => {
    const launcher = start({ environment: { STUB_SILENT: '1' } });
    await launcher.line(/^stub waits for something/);
    launcher.process.kill('SIGINT');
    expect(await launcher.ended()).toEqual({ code: 0, signal: null });
    expect(processesOf(place.dataDir)).toEqual([]);
    expect(launcher.output()).not.toContain('eventsieve is ready');
  });

  test.each([{ STUB_STUBBORN: '0' }, { STUB_STUBBORN: '1' }])(
    'a launcher killed with -9 leaves nothing behind, %o, and the next start finds its data',
    async (environment) => {
      const launcher = await startReady({ environment });
      launcher.process.kill('SIGKILL');
      await gone(place.dataDir);
      const again = await startReady();
      expect(again.output()).not.toContain('making a new database');
      // Nobody was there to write down the end of the first one; the second one tells how it found the data.
      expect(postgresLog()).not.toContain('not properly shut down');
    },
  );

  test('a start right after a kill -9 waits for what is left of the killed one', async () => {
    const launcher = await startReady({ environment: { STUB_STUBBORN: '1' } });
    launcher.process.kill('SIGKILL');
    await launcher.ended();
    const again = start();
    await again.line(/^waiting for what is left of a killed run/);
    await again.line(/^eventsieve is ready$/);
  });

  test('a launcher and its guard both killed with -9: the next start ends the servers they left', async () => {
    const launcher = await startReady();
    process.kill(pidOf(place.dataDir, /embedded\/dist\/guard\.js/), 'SIGKILL');
    launcher.process.kill('SIGKILL');
    await launcher.ended();
    const again = start();
    await again.line(/^postgres: a server of an earlier run/);
    await again.line(/^eventsieve is ready$/);
    expect(processesOf(place.dataDir).filter(({ command }) => postgresPattern.test(command))).toHaveLength(1);
    expect(processesOf(place.dataDir).filter(({ command }) => natsPattern.test(command))).toHaveLength(1);
  });
});

describe('what keeps it from starting is one sentence, and exit code 1', () => {
  test('a port that is taken, with its variable', async () => {
    const port = Number(place.environment.HTTP_PORT);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      const launcher = start();
      expect(await launcher.ended()).toEqual({ code: 1, signal: null });
      expect(launcher.output()).toBe(`Port ${port} on 127.0.0.1 is taken: stop what uses it, or set HTTP_PORT.`);
    } finally {
      server.close();
    }
  });

  test('an earlier start that still runs on the same data', async () => {
    const launcher = await startReady();
    const second = start();
    expect(await second.ended()).toEqual({ code: 1, signal: null });
    expect(second.output()).toBe(
      `eventsieve already runs on ${place.dataDir} (pid ${launcher.pid}): stop it, or set DATA_DIR.`,
    );
  });

  test.each([
    ['WORKERS', 'many', 'WORKERS is "many", but must be a whole number from 1 to 64.'],
    ['EMBEDDED_PG_PORT', '99999', 'EMBEDDED_PG_PORT is "99999", but must be a port from 0 to 65535.'],
    ['DATABASE_URL', 'mysql://x', 'DATABASE_URL is not a URL that starts with postgres:// or postgresql://.'],
    ['BIND_HOST', '192.0.2.1', 'BIND_HOST is 192.0.2.1, which is no address here.'],
    ['NATS_SERVER', '/nowhere', 'NATS_SERVER is /nowhere, which is not a nats-server that runs here.'],
  ])('a wrong %s', async (name, value, sentence) => {
    const launcher = start({ environment: { [name]: value } });
    expect(await launcher.ended()).toEqual({ code: 1, signal: null });
    expect(launcher.output()).toContain(sentence);
    expect(processesOf(place.dataDir)).toEqual([]);
  });

  test('a service that refuses its settings ends the start with its own sentence', async () => {
    const launcher = start({ environment: { STUB_GATEWAY: './stub-refusal.mjs' } });
    expect(await launcher.ended()).toEqual({ code: 1, signal: null });
    expect(launcher.output()).toContain('BATCH_SIZE is "many"');
    expect(launcher.output()).toContain('gateway could not start (exit code 1).');
    expect(processesOf(place.dataDir)).toEqual([]);
  });
});

describe('settings', () => {
  test('a .env file in the current folder counts, and the environment wins over it', async () => {
    const folder = join(place.dataDir, '..');
    const { WORKERS: _, ...environment } = place.environment;
    writeFileSync(join(folder, '.env'), 'WORKERS=2\nHTTP_PORT=1\n');
    const launcher = await startReady({ cwd: folder, environment });
    expect(await launcher.line(/metrics/)).toMatch(/worker-1 .*worker-2 /);
    expect(launcher.output()).toContain(`http://127.0.0.1:${place.environment.HTTP_PORT}`);
  });
});

function postgresLog(): string {
  return readFileSync(join(place.dataDir, 'logs/postgres.log'), 'utf8');
}
