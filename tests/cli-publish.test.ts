import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const command = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url));

let system: System;
let folder: string;
beforeAll(async () => {
  system = await startSystem();
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-publish-'));
  // The audit wants to find something from the first.
  await publish([write('first.ndjson', event('first', 0))]);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system.stop();
});

function write(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function event(topic: string, n: number, payload = `{"n":${n}}`): string {
  return `{"topic":"${topic}","event_id":"${topic}-${n}","timestamp":"2024-05-01T12:00:00Z","source":"test","payload":${payload}}\n`;
}
const events = (topic: string, count: number) => Array.from({ length: count }, (_, n) => event(topic, n)).join('');

function start(args: readonly string[]) {
  const target = args.includes('--target') ? [] : ['--gateway', system.gatewayAddress];
  const child = spawn(process.execPath, [command, 'publish', ...args, ...target], {
    cwd: folder,
    env: { PATH: process.env.PATH },
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const ended = once(child, 'close').then(([code]) => ({ code, errors, last: output.trimEnd().split('\n').at(-1) }));
  return { child, ended };
}

function publish(args: readonly string[], input?: string | Buffer) {
  const { child, ended } = start(args);
  if (input !== undefined) child.stdin.end(input);
  return ended;
}

const done = (counts: string) => ({ code: 0, errors: '', last: `done ${counts} rejected=0 errors=0` });
const storedOf = (topic: string) =>
  system.database.value<number>(`select count(*)::int from event_keys where topic = '${topic}'`);
const fresh = 'published=300 stored=300 duplicates=0 conflicts=0';
const repeated = 'published=300 stored=0 duplicates=300 conflicts=0';

test('lines, an array and a packed file are published; published again, each is a duplicate', async () => {
  const lines = events('forms', 300);
  const path = write('forms.ndjson', lines);
  expect(await publish([path])).toEqual(done(fresh));
  const array = `[${lines.trimEnd().split('\n').join(',\n')}]`;
  for (const args of [[path], [write('forms.json', array)], [write('forms.gz', gzipSync(array))]]) {
    expect(await publish([...args, '--batch', '7'])).toEqual(done(repeated));
  }
  expect(await publish([], lines)).toEqual(done(repeated));
  expect(await publish(['-', '--wait', 'stored'], gzipSync(lines))).toEqual(done(repeated));
  expect(await storedOf('forms')).toBe(300);
});

test('an export is published as it is, and no digit is lost on the way', async () => {
  const payload = '{"big": 12345678901234567890.12345678901234567890, "small": 0.10}';
  await publish([write('digits.ndjson', event('digits', 1, payload))]);
  const exported = await (await fetch(`${system.http}/events/export?topic=digits&meta=true`)).text();
  expect(exported).toContain('12345678901234567890.12345678901234567890');
  expect(exported).toContain('received_at');
  expect(await publish([], exported)).toEqual(done('published=1 stored=0 duplicates=1 conflicts=0'));
});

test('columns become events, and rows without an id repeat when the file is published again', async () => {
  const path = write('orders.csv', 'no,topic,amount,note\n1,csv,10.50,"a, ""b"""\n2,csv,7,\n2,csv,7,\n');
  const args = [path, '--source', 'shop', '--map', 'no=payload.no:number', '--map', 'amount=payload.amount:number'];
  const first = await publish(args);
  expect(first).toMatchObject({ code: 0, last: done('published=3 stored=3 duplicates=0 conflicts=0').last });
  expect(first.errors).toContain('columns left out: note (--map note=payload.note takes one in)');
  expect((await publish(args)).last).toBe(done('published=3 stored=0 duplicates=3 conflicts=0').last);
  const list = (await (await fetch(`${system.http}/events?topic=csv&source=shop`)).json()) as {
    events: { payload: object }[];
  };
  expect(list.events.map(({ payload }) => payload)).toEqual([
    { no: 1, amount: 10.5 },
    { no: 2, amount: 7 },
    { no: 2, amount: 7 },
  ]);
  // The same row twice is one event where the id is made of its fields.
  const byField = await publish([...args, '--topic', 'x', '--id-from', 'topic,no']);
  expect(byField.last).toBe(done('published=3 stored=2 duplicates=1 conflicts=0').last);
});

test('records at fault are named with line and field, and the others are published', async () => {
  const bad = `${event('bad', 1)}\n{"topic":"bad"\n${event('bad', 2, '{"a":1,"a":2}')}${event('bad', 1, '{"n":"other"}')}${event('bad', 3).replace('2024-05-01T12', 'noon')}${event('bad', 4)}`;
  const path = write('bad.ndjson', bad);
  const { code, errors, last } = await publish([path, '--in-flight', '1']);
  expect({ code, last }).toEqual({
    code: 1,
    last: 'done published=3 stored=2 duplicates=1 conflicts=1 rejected=3 errors=0',
  });
  expect(errors).toContain('bad.ndjson, line 3: is not valid JSON');
  expect(errors).toContain('bad.ndjson, line 4: payload.a is a duplicate key');
  expect(errors).toMatch(/bad\.ndjson, line 5: event_id is stored with another payload or source since 20/);
  expect(errors).toContain('bad.ndjson, line 6: timestamp must be');
  expect(errors).not.toMatch(/line [127]:/);
});

test('with --on-error stop it ends at the first of them', async () => {
  const path = write('stop.ndjson', `${events('stop', 20)}no JSON\n${events('later', 5_000)}`);
  const { code, errors } = await publish([path, '--on-error', 'stop', '--batch', '5']);
  expect(code).toBe(1);
  expect(errors).toContain('stop.ndjson, line 21: is not valid JSON');
  expect(errors).toContain('Stopped at a record that is at fault, after line 20 of');
  expect(await storedOf('stop')).toBe(20);
  expect(await storedOf('later')).toBe(0);
});

/** Interrupts it once so many events of a topic are stored. */
async function interruptAt(stored: number, topic: string, args: readonly string[]) {
  const { child, ended } = start(args);
  await waitUntil('it is under way', async () => (await storedOf(topic)) >= stored);
  child.kill('SIGINT');
  return ended;
}
const stoppedAfter = (errors: string) => Number(/^Interrupted, after line (\d+) of /m.exec(errors)?.[1]);

test('a file interrupted twice and published again ends as exactly its events', async () => {
  const count = 30_000;
  const path = write('long.ndjson', events('long', count));
  const checkpoint = `${path}.eventsieve-checkpoint`;
  const args = [path, '--batch', '20', '--in-flight', '2'];
  const before = await auditedTotals(system.database);

  const first = await interruptAt(1_000, 'long', args);
  expect(first.code).toBe(130);
  expect(first.errors).toContain(`The same command goes on from there (${checkpoint}).`);
  const firstLine = stoppedAfter(first.errors);
  // What was under way is finished: all that is stored is behind the place where it stopped.
  await drained(system);
  expect(await storedOf('long')).toBe(firstLine);

  const second = await interruptAt(firstLine + 1_000, 'long', args);
  expect(second.code).toBe(130);
  expect(second.errors).toContain(`long.ndjson: going on after line ${firstLine}, where it stopped`);
  const secondLine = stoppedAfter(second.errors);
  expect(secondLine).toBeGreaterThan(firstLine);
  expect(second.last).toBe(
    `done published=${secondLine - firstLine} stored=${secondLine - firstLine} duplicates=0 conflicts=0 rejected=0 errors=0`,
  );

  const third = await publish([path, '--batch', '500']);
  expect(third).toMatchObject({
    code: 0,
    last: done(`published=${count - secondLine} stored=${count - secondLine} duplicates=0 conflicts=0`).last,
  });
  expect(existsSync(checkpoint)).toBe(false);
  await drained(system);
  const { duplicates, conflicts, dead } = before;
  const after = { unique: before.unique + count, duplicates, conflicts, dead };
  expect(await auditedTotals(system.database)).toMatchObject(after);
});

test('a packed array and a table are gone on with from their middle, too', async () => {
  const count = 6_000;
  const array = `[\n${events('middle', count).trimEnd().split('\n').join(',\n')}\n]`;
  const rows = Array.from({ length: count }, (_, n) => `${n},"a\n${n}"`).join('\r\n');
  for (const [topic, path, more] of [
    ['middle', write('middle.json.gz', gzipSync(array)), []],
    ['rows', write('rows.csv', `event_id,payload.text\r\n${rows}`), ['--topic', 'rows', '--source', 'test']],
  ] as const) {
    const args = [path, '--batch', '10', '--in-flight', '1', ...more];
    const { errors } = await interruptAt(200, topic, args);
    expect(stoppedAfter(errors)).toBeGreaterThan(200);
    const stored = await storedOf(topic);
    const { code, last } = await publish(args.with(2, '200'));
    expect({ code, last }).toEqual({
      code: 0,
      last: done(`published=${count - stored} stored=${count - stored} duplicates=0 conflicts=0`).last,
    });
    expect(await storedOf(topic)).toBe(count);
  }
});

test('a file that has changed, or other flags, begin anew, and that is said', async () => {
  const path = write('changed.ndjson', events('changed', 10_000));
  await interruptAt(500, 'changed', [path, '--batch', '10', '--in-flight', '1']);
  const other = await interruptAt(1_000, 'changed', [path, '--topic', 'other', '--batch', '10', '--in-flight', '1']);
  expect(other.errors).toContain('interrupted with other flags (topic); starting anew');
  write('changed.ndjson', events('changed', 50));
  const { code, errors, last } = await publish([path, '--topic', 'other']);
  expect(errors).toContain('changed.ndjson: the file has changed since it was interrupted; starting anew.');
  expect({ code, last }).toEqual({ code: 0, last: done('published=50 stored=0 duplicates=50 conflicts=0').last });
});

test('the standard input is published as it comes, and Ctrl-C ends a wait for more', async () => {
  const { child, ended } = start([]);
  child.stdin.write(events('slow', 3));
  await waitUntil('what came is stored', async () => (await storedOf('slow')) === 3);
  child.kill('SIGINT');
  const { code, errors, last } = await ended;
  expect({ code, last }).toEqual({ code: 130, last: done('published=3 stored=3 duplicates=0 conflicts=0').last });
  expect(errors).toContain('Interrupted, after line 3 of the standard input. Publish it again from the beginning');
});

test('a gateway that is away for a while costs nothing; one that stays away ends it, to be gone on with', async () => {
  const path = write('away.ndjson', events('away', 20_000));
  const { ended } = start([path, '--batch', '20']);
  await waitUntil('it is under way', async () => (await storedOf('away')) >= 500);
  await system.gateway.kill();
  system.gateway = await system.startGateway();
  expect(await ended).toMatchObject({ code: 0, last: expect.stringMatching(/^done published=20000 .* errors=0$/) });
  expect(await storedOf('away')).toBe(20_000);
  const none = await publish([path, '--target', `127.0.0.1:${await freePort()}`, '--timeout', '1s']);
  expect(none.code).toBe(3);
  expect(none.errors).toMatch(/Stopped: .*cannot be reached.*, after line 0 of /);
  expect(none.last).toMatch(/^done published=0 /);
}, 200_000);

test('for programs there is JSON', async () => {
  const json = await publish(['--json'], events('forms', 300));
  expect(JSON.parse(json.last ?? '')).toMatchObject({
    published: 300,
    duplicates: 300,
    dead_lettered: 0,
    complete: true,
  });
});

test.each([
  [['none.ndjson'], 'none.ndjson cannot be read: ENOENT'],
  [['.'], '. is a folder.'],
  [['first.ndjson', '--map', 'a=b'], '--map is "a=b", but must be <column>=topic'],
  [['first.ndjson', '--id-from', 'no'], '--id-from names "no"'],
  [['--checkpoint', 'x'], '--checkpoint is for files'],
  [['first.ndjson', '--batch', '0'], '--batch is "0"'],
])('%j is refused in one sentence', async (args, sentence) => {
  const { code, errors } = await publish(args, '');
  expect(code).toBe(2);
  expect(errors).toContain(sentence);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
});

test('on a terminal there is a bar, and only there', async () => {
  const path = write('bar.ndjson', events('bar', 20_000));
  const line = `${process.execPath} ${command} publish ${path} --batch 20 --gateway ${system.gatewayAddress}`;
  const captured = join(folder, 'captured');
  await new Promise((resolve) => execFile('script', ['-qec', line, captured], { cwd: folder }, resolve));
  const text = readFileSync(captured, 'utf8');
  expect(text).toMatch(/bar\.ndjson: \[#+\.+\] \d+ %, \d+ events, \d+\/s, \d+:\d\d left/);
  expect(text).toMatch(/bar\.ndjson: \[#{24}\] 100 %, 20000 events/);
  expect(text).toContain('done published=20000 stored=20000');
  expect((await publish([path])).errors).not.toContain('[');
});
