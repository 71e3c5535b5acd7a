import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const command = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url));

let system: System;
beforeAll(async () => {
  system = await startSystem();
  // The audit wants to find something from the first.
  await simulate(['--count', '1', '--dup-rate', '0', '--target', system.gatewayAddress]);
});
afterAll(() => system.stop());

/** The command as it is shipped, in a process of its own. */
function simulate(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return startSimulation(args, environment).ended;
}

function startSimulation(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const options = { cwd: tmpdir(), env: { PATH: process.env.PATH, ...environment } };
  const child = execFile(process.execPath, [command, 'simulate', ...args], options);
  const printed = { lines: '', errors: '' };
  child.stdout?.on('data', (chunk: string) => {
    printed.lines += chunk;
  });
  child.stderr?.on('data', (chunk: string) => {
    printed.errors += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number,
    lines: printed.lines.trimEnd().split('\n'),
    errors: printed.errors,
  }));
  return { child, ended };
}

async function totals() {
  await drained(system);
  const { unique, duplicates, conflicts, dead } = await auditedTotals(system.database);
  return { unique, duplicates, conflicts, dead };
}

const doors = {
  'the gateway': () => system.gatewayAddress,
  'the bridge': () => system.http,
  'the bridge by its whole URL': () => `${system.http}/publish/`,
};

test.each(Object.entries(doors))(
  'its numbers are exact at %s',
  async (_, target) => {
    const before = await totals();
    const { code, lines, errors } = await simulate(['--count', '5001', '--dup-rate', '0.3', '--target', target()]);
    expect(errors).toBe('');
    expect(code).toBe(0);
    expect(lines.at(-1)).toBe('done received=5001 inserted=3501 duplicates=1500 dup_rate=29.99%');
    expect(lines).toContainEqual(expect.stringMatching(/^latency of a request: mean [\d.]+ ms, p99 [\d.]+ ms$/));
    expect(lines).toContain('errors 0, timeouts 0, copies sent again 0');
    const after = await totals();
    expect(after).toEqual({ ...before, unique: before.unique + 3501, duplicates: before.duplicates + 1500 });
  },
  120_000,
);

test.each(Object.entries({ 'the gateway': doors['the gateway'], 'the bridge': doors['the bridge'] }))(
  'a storm with conflicts is exact at %s, and verified',
  async (_, target) => {
    const before = await totals();
    const { code, lines, errors } = await simulate([
      ...['--count', '6000', '--dup-rate', '0.5', '--conflict-rate', '0.02', '--retry-storm', '--verify'],
      ...['--batch-size', '50', '--target', target(), '--query', system.queryAddress],
    ]);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(lines.slice(-2)).toEqual([
      'verified: 3000 events, each stored once, under its topic and as it was sent; 3000 duplicates counted, 120 of them conflicts',
      'done received=6000 inserted=3000 duplicates=3000 dup_rate=50.00%',
    ]);
    expect(await totals()).toEqual({
      ...before,
      unique: before.unique + 3000,
      duplicates: before.duplicates + 3000,
      conflicts: before.conflicts + 120,
    });
  },
);

test('verifying names whatever the server has not as it was sent, at either door', async () => {
  const other = await startSystem();
  try {
    const run = ['--count', '400', '--dup-rate', '0.25', '--seed', 'tampered', '--verify', '--topics', 'one'];
    const grpc = [...run, '--target', other.gatewayAddress, '--query', other.queryAddress];
    const http = [...run, '--target', other.http];
    expect((await simulate(grpc)).lines.at(-2)).toMatch(/^verified: 300 events, .*; 100 duplicates counted/);
    // What was there before is not the run's.
    expect((await simulate(http)).lines.at(-2)).toMatch(/^verified: 300 events, .*; 400 duplicates counted/);
    const { pool } = other.database;
    await pool.query(`update events set payload = '{"n":1}' where event_id = 'tampered-7'`);
    await pool.query(`update events set topic = 'elsewhere' where event_id = 'tampered-8'`);
    await pool.query(`update events set source = 'somebody' where event_id = 'tampered-9'`);
    await pool.query(`
      insert into events select position + 1000000, received_at, topic, event_id, timestamp, source, payload from events
      where event_id = 'tampered-10'`);
    // One repeat is taken for an event.
    await pool.query(`
      create function miscount() returns trigger language plpgsql as $$ begin
        if new.duplicate_count > 900 then
          new.unique_count := new.unique_count + new.duplicate_count - 900;
          new.duplicate_count := 900;
        end if;
        return new;
      end $$;
      create trigger miscount before insert or update on source_counters for each row execute function miscount()`);
    for (const [args, counted] of [
      [grpc, 400],
      [http, 0],
    ] as const) {
      const { code, errors, lines } = await simulate(args);
      expect(code).toBe(1);
      const found = errors.trimEnd().split('\n');
      expect(found.slice(0, 4).sort()).toEqual([
        'one/tampered-10 is stored twice.',
        'one/tampered-7 has another payload than was sent.',
        'one/tampered-9 was taken, and is not among what is stored of this source.',
        'tampered-8 is stored under elsewhere, and was sent to one.',
      ]);
      if (counted === 0) expect(found.at(-1)).toBe('one: 400 duplicates were sent, the server has counted 0.');
      else expect(found).toHaveLength(4);
      expect(lines.join()).not.toContain('verified');
      expect(lines.at(-1)).toBe('done received=400 inserted=0 duplicates=400 dup_rate=100.00%');
    }
  } finally {
    await other.stop();
  }
});

test('a rate is kept to', async () => {
  const args = ['--count', '300', '--rate', '200', '--batch-size', '10', '--target', system.gatewayAddress];
  const { code, lines } = await simulate(args);
  expect(code).toBe(0);
  const seconds = Number(/^total ([\d.]+) s/m.exec(lines.join('\n'))?.[1]);
  expect(seconds).toBeGreaterThan(1.4);
});

test('Ctrl-C waits for the answers that are under way, and the sums are of these', async () => {
  const before = await totals();
  const args = ['--count', '200000', '--conflict-rate', '0.1', '--rate', '2000', '--target', system.gatewayAddress];
  const { child, ended } = startSimulation(args);
  const stored = () => system.database.value<number>('select count(*)::int from event_keys');
  await waitUntil('it is under way', async () => (await stored()) > before.unique + 1_000);
  child.kill('SIGINT');
  const { code, lines, errors } = await ended;
  expect(code).toBe(130);
  const after = await totals();
  const inserted = after.unique - before.unique;
  const duplicates = after.duplicates - before.duplicates;
  expect(inserted + duplicates).toBeLessThan(100_000);
  expect(errors).toBe(`Interrupted after ${inserted + duplicates} of 200000 events.\n`);
  expect(lines.at(-1)).toContain(`received=${inserted + duplicates} inserted=${inserted} duplicates=${duplicates} `);
});

test('variables set it, and the local gateway is where it goes by default', async () => {
  const { port } = new URL(`http://${system.gatewayAddress}`);
  const environment = { COUNT: '40', DUP_RATE: '0.5', CONCURRENCY: '2', BATCH_SIZE: '7', TOPICS: 'only.this' };
  const { code, lines } = await simulate([], { ...environment, GATEWAY_GRPC_PORT: port });
  expect({ code, last: lines.at(-1) }).toEqual({
    code: 0,
    last: 'done received=40 inserted=20 duplicates=20 dup_rate=50.00%',
  });
  expect(await system.database.value("select count(*)::int from events where topic = 'only.this'")).toBe(20);
});

test('a seed sends the same events again, and the server says so', async () => {
  const args = ['--count', '100', '--dup-rate', '0.2', '--seed', 'again', '--target', system.http];
  expect((await simulate(args)).lines.at(-1)).toBe('done received=100 inserted=80 duplicates=20 dup_rate=20.00%');
  const { code, lines } = await simulate(args);
  expect(lines.at(-1)).toBe('done received=100 inserted=0 duplicates=100 dup_rate=100.00%');
  expect(code).toBe(0);
});

test('what the broker alone answers is not called inserted', async () => {
  const { code, lines } = await simulate(['--count', '500', '--wait', 'broker', '--target', system.gatewayAddress]);
  expect(code).toBe(0);
  expect(lines.at(-1)).toMatch(/^done received=500 accepted=\d+ duplicates=\d+ dup_rate=[\d.]+%$/);
});

test('a gateway killed under way costs no event: its copies are sent again', async () => {
  const before = await totals();
  const running = simulate(['--count', '30000', '--batch-size', '20', '--target', system.gatewayAddress]);
  const stored = () => system.database.value<number>('select count(*)::int from event_keys');
  await waitUntil('it is under way', async () => (await stored()) > before.unique + 1_000);
  await system.gateway.kill();
  system.gateway = await system.startGateway();
  const { code, lines, errors } = await running;
  expect(errors).toBe('');
  expect(code).toBe(0);
  expect(lines.at(-1)).toMatch(/^done received=30000 inserted=\d+ duplicates=\d+ /);
  expect(lines.find((line) => line.startsWith('errors'))).not.toContain('errors 0');
  const after = await totals();
  expect(after.unique - before.unique).toBe(21_000);
}, 240_000);

test('verdicts that come too late are looked up, at either door, and the numbers are exact still', async () => {
  const slow = await startSystem({ environment: { STORED_TIMEOUT: '50ms' } });
  try {
    for (const args of [
      ['--target', slow.gatewayAddress, '--query', slow.queryAddress],
      ['--target', slow.http],
    ]) {
      const [worker] = slow.workers;
      worker?.child.kill('SIGSTOP');
      const before = (await stats(slow)).received;
      const running = simulate(['--count', '2000', '--batch-size', '50', '--concurrency', '10', ...args]);
      await waitUntil('many are under way', async () => (await stats(slow)).in_flight > 500);
      worker?.child.kill('SIGCONT');
      const { code, lines, errors } = await running;
      expect({ code, errors, last: lines.at(-1) }).toEqual({
        code: 0,
        errors: '',
        last: 'done received=2000 inserted=1400 duplicates=600 dup_rate=30.00%',
      });
      expect((await stats(slow)).received - before).toBe(2000);
    }
  } finally {
    await slow.stop();
  }
}, 240_000);

async function stats({ http }: System) {
  const response = await fetch(`${http}/stats`);
  return (await response.json()) as { received: number; in_flight: number };
}

test('a refusal ends it with exit code 1 and the server’s reason', async () => {
  const args = ['--count', '3000', '--batch-size', '1500', '--target'];
  for (const target of [system.gatewayAddress, system.http]) {
    const { code, errors, lines } = await simulate([...args, target]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^3000 events could not be delivered: .*1000/);
    expect(lines.at(-1)).toBe('done received=0 inserted=0 duplicates=0 dup_rate=0.00%');
  }
});

test('a server that is not there is given up on', async () => {
  const { code, errors } = await simulate(['--count', '10', '--target', `127.0.0.1:${await freePort()}`]);
  expect(code).toBe(1);
  expect(errors).toMatch(/^10 events could not be delivered: UNAVAILABLE, .*is eventsieve running there\?/);
});

test('what cannot be asked for is refused in one sentence, with exit code 2', async () => {
  const { code, errors, lines } = await simulate(['--count', 'x']);
  expect({ code, errors, lines }).toEqual({
    code: 2,
    errors: '--count is "x", but must be a whole number from 1 to 10000000.\n',
    lines: [''],
  });
});
