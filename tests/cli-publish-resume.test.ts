import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { done, event, events, type Publishing, publishing, stoppedAfter } from './support/publishing.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
let cli: Publishing;
beforeAll(async () => {
  system = await startSystem();
  cli = publishing(system);
  // The audit wants to find something from the first.
  await cli.publish([cli.write('first.ndjson', event('first', 0))]);
});
afterAll(async () => {
  cli.remove();
  await system.stop();
});

test('with --on-error stop it ends at the first of them', async () => {
  const path = cli.write('stop.ndjson', `${events('stop', 20)}no JSON\n${events('later', 5_000)}`);
  const { code, errors } = await cli.publish([path, '--on-error', 'stop', '--batch', '5']);
  expect(code).toBe(1);
  expect(errors).toContain('stop.ndjson, line 21: is not valid JSON');
  expect(errors).toContain('Stopped at a record that is at fault, after line 20 of');
  expect(await cli.storedOf('stop')).toBe(20);
  expect(await cli.storedOf('later')).toBe(0);
});

test('stopped before anything was published, it begins at the beginning again', async () => {
  const path = cli.write('early.csv', '\ufefftopic,source\n,none\nearly,test\n');
  for (let time = 1; time <= 2; time++) {
    const { code, errors, last } = await cli.publish([path, '--on-error', 'stop']);
    expect(code).toBe(1);
    expect(errors).toContain('early.csv, line 2: topic is missing, and there is no --topic');
    expect(errors).not.toContain('line 1:');
    expect(last).toBe('done published=0 stored=0 duplicates=0 conflicts=0 rejected=1 errors=0');
  }
  expect((await cli.publish([path])).last).toBe(
    'done published=1 stored=1 duplicates=0 conflicts=0 rejected=1 errors=0',
  );
});

test('a packed file that breaks off is said to, and what there is of it is published', async () => {
  const path = cli.write('cut.ndjson.gz', gzipSync(events('cut', 3_000)).subarray(0, -1_000));
  const { code, errors, last } = await cli.publish([path]);
  expect(code).toBe(1);
  expect(errors).toMatch(/^Stopped: .*cut\.ndjson\.gz cannot be read on: unexpected end of file, after line \d+ of/m);
  const stored = await cli.storedOf('cut');
  expect(stored).toBeGreaterThan(0);
  expect(last).toBe(`done published=${stored} stored=${stored} duplicates=0 conflicts=0 rejected=0 errors=0`);
});

test('a file interrupted twice and published again ends as exactly its events', async () => {
  const count = 30_000;
  const path = cli.write('long.ndjson', events('long', count));
  const checkpoint = `${path}.eventsieve-checkpoint`;
  const args = [path, '--batch', '20', '--in-flight', '2'];
  const before = await auditedTotals(system.database);

  const first = await cli.interruptAt(1_000, 'long', args);
  expect(first.code).toBe(130);
  expect(first.errors).toContain(`The same command goes on from there (${checkpoint}).`);
  const firstLine = stoppedAfter(first.errors);
  // What was under way is finished: all that is stored is behind the place where it stopped.
  await drained(system);
  expect(await cli.storedOf('long')).toBe(firstLine);

  const second = await cli.interruptAt(firstLine + 1_000, 'long', args);
  expect(second.code).toBe(130);
  expect(second.errors).toContain(`long.ndjson: going on after line ${firstLine}, where it stopped`);
  const secondLine = stoppedAfter(second.errors);
  expect(secondLine).toBeGreaterThan(firstLine);
  expect(second.last).toBe(
    `done published=${secondLine - firstLine} stored=${secondLine - firstLine} duplicates=0 conflicts=0 rejected=0 errors=0`,
  );

  const third = await cli.publish([path, '--batch', '500']);
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
    ['middle', cli.write('middle.json.gz', gzipSync(array)), []],
    ['rows', cli.write('rows.csv', `event_id,payload.text\r\n${rows}`), ['--topic', 'rows', '--source', 'test']],
  ] as const) {
    const args = [path, '--batch', '10', '--in-flight', '1', ...more];
    const { errors } = await cli.interruptAt(200, topic, args);
    expect(stoppedAfter(errors)).toBeGreaterThan(200);
    const stored = await cli.storedOf(topic);
    const { code, last } = await cli.publish(args.with(2, '200'));
    expect({ code, last }).toEqual({
      code: 0,
      last: done(`published=${count - stored} stored=${count - stored} duplicates=0 conflicts=0`).last,
    });
    expect(await cli.storedOf(topic)).toBe(count);
  }
});

test('a file that has changed, or other flags, begin anew, and that is said', async () => {
  const path = cli.write('changed.ndjson', events('changed', 10_000));
  await cli.interruptAt(500, 'changed', [path, '--batch', '10', '--in-flight', '1']);
  const other = await cli.interruptAt(1_000, 'changed', [
    path,
    '--topic',
    'other',
    '--batch',
    '10',
    '--in-flight',
    '1',
  ]);
  expect(other.errors).toContain('interrupted with other flags (topic); starting anew');
  cli.write('changed.ndjson', events('changed', 50));
  const { code, errors, last } = await cli.publish([path, '--topic', 'other']);
  expect(errors).toContain('changed.ndjson: the file has changed since it was interrupted; starting anew.');
  expect({ code, last }).toEqual({ code: 0, last: done('published=50 stored=0 duplicates=50 conflicts=0').last });
});

test('the standard input is published as it comes, and Ctrl-C ends a wait for more', async () => {
  const { child, ended } = cli.start([]);
  child.stdin.write(events('slow', 3));
  await waitUntil('what came is stored', async () => (await cli.storedOf('slow')) === 3);
  child.kill('SIGINT');
  const { code, errors, last } = await ended;
  expect({ code, last }).toEqual({ code: 130, last: done('published=3 stored=3 duplicates=0 conflicts=0').last });
  expect(errors).toContain('Interrupted, after line 3 of the standard input. Publish it again from the beginning');
});

test('a pipe is published as it comes, whoever opens it first, and Ctrl-C ends a wait for more', async () => {
  const path = join(cli.folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const whole = cli.start([path]);
  const text = events('piped', 3_000);
  await writeFile(path, text);
  const stored = 'published=3000 stored=3000 duplicates=0 conflicts=0';
  expect(await whole.ended).toEqual(done(stored));

  const unwritten = cli.start([path]);
  // It waits for somebody who writes, or has not come so far.
  await delay(1_000);
  unwritten.child.kill('SIGINT');
  await once(unwritten.child, 'close');
  expect(unwritten.child.signalCode).toBe('SIGINT');

  const idle = cli.start([path]);
  const writer = await open(path, 'w');
  await writer.write(events('dripping', 2));
  await waitUntil('what came is stored', async () => (await cli.storedOf('dripping')) === 2);
  idle.child.kill('SIGINT');
  const { code, errors } = await idle.ended;
  await writer.close();
  expect(code).toBe(130);
  expect(errors).toContain(`Interrupted, after line 2 of ${path}. Publish it again from the beginning`);
});

test('a gateway that is away for a while costs nothing', async () => {
  const path = cli.write('away.ndjson', events('away', 20_000));
  const { ended } = cli.start([path, '--batch', '20']);
  await waitUntil('it is under way', async () => (await cli.storedOf('away')) >= 500);
  await system.gateway.kill();
  system.gateway = await system.startGateway();
  expect(await ended).toMatchObject({ code: 0, last: expect.stringMatching(/^done published=20000 .* errors=0$/) });
  expect(await cli.storedOf('away')).toBe(20_000);
});

test('one that stays away ends it after a while, to be gone on with', async () => {
  const path = cli.write('gone.ndjson', events('gone', 2_000));
  const nowhere = `127.0.0.1:${await freePort()}`;
  for (const ended of await Promise.all([
    cli.publish([path, '--target', nowhere]),
    cli.publish([path, '--target', `http://${nowhere}`, '--no-checkpoint']),
  ])) {
    expect(ended.code).toBe(3);
    expect(ended.errors).toMatch(/Stopped: .*cannot be reached.*, after line 0 of /);
    expect(ended.last).toMatch(/^done published=0 /);
  }
}, 200_000);
