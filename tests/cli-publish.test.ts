import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  done,
  event,
  events,
  type Publishing,
  publishCommand,
  publishing,
  stoppedAfter,
} from './support/publishing.js';
import { type System, startSystem } from './support/system.js';

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

const fresh = 'published=300 stored=300 duplicates=0 conflicts=0';
const repeated = 'published=300 stored=0 duplicates=300 conflicts=0';

test('lines, an array and a packed file are published; published again, each is a duplicate', async () => {
  const lines = events('forms', 300);
  const path = cli.write('forms.ndjson', lines);
  expect(await cli.publish([path])).toEqual(done(fresh));
  const array = `[${lines.trimEnd().split('\n').join(',\n')}]`;
  for (const args of [[path], [cli.write('forms.json', array)], [cli.write('forms.gz', gzipSync(array))]]) {
    expect(await cli.publish([...args, '--batch', '7'])).toEqual(done(repeated));
  }
  expect(await cli.publish([], lines)).toEqual(done(repeated));
  expect(await cli.publish(['-', '--wait', 'stored'], gzipSync(lines))).toEqual(done(repeated));
  expect(await cli.storedOf('forms')).toBe(300);
});

test('an export is published as it is, and no digit is lost on the way', async () => {
  const payload = '{"big": 12345678901234567890.12345678901234567890, "small": 0.10}';
  await cli.publish([cli.write('digits.ndjson', event('digits', 1, payload))]);
  const exported = await (await fetch(`${system.http}/events/export?topic=digits&meta=true`)).text();
  expect(exported).toContain('12345678901234567890.12345678901234567890');
  expect(exported).toContain('received_at');
  expect(await cli.publish([], exported)).toEqual(done('published=1 stored=0 duplicates=1 conflicts=0'));
});

test('columns become events, and rows without an id repeat when the file is published again', async () => {
  const path = cli.write('orders.csv', 'no,topic,amount,note\n1,csv,10.50,"a, ""b"""\n2,csv,7,\n2,csv,7,\n');
  const args = [path, '--source', 'shop', '--map', 'no=payload.no:number', '--map', 'amount=payload.amount:number'];
  const first = await cli.publish(args);
  expect(first).toMatchObject({ code: 0, last: done('published=3 stored=3 duplicates=0 conflicts=0').last });
  expect(first.errors).toContain('columns left out: note (--map note=payload.note takes one in)');
  expect((await cli.publish(args)).last).toBe(done('published=3 stored=0 duplicates=3 conflicts=0').last);
  const list = (await (await fetch(`${system.http}/events?topic=csv&source=shop`)).json()) as {
    events: { payload: object }[];
  };
  expect(list.events.map(({ payload }) => payload)).toEqual([
    { no: 1, amount: 10.5 },
    { no: 2, amount: 7 },
    { no: 2, amount: 7 },
  ]);
  // The same row twice is one event where the id is made of its fields.
  const byField = await cli.publish([...args, '--topic', 'x', '--id-from', 'topic,no']);
  expect(byField.last).toBe(done('published=3 stored=2 duplicates=1 conflicts=0').last);
});

test('records at fault are named with line and field, and the others are published', async () => {
  const bad = `${event('bad', 1)}\n{"topic":"bad"\n${event('bad', 2, '{"a":1,"a":2}')}${event('bad', 1, '{"n":"other"}')}${event('bad', 3).replace('2024-05-01T12', 'noon')}${event('bad', 4)}`;
  const path = cli.write('bad.ndjson', bad);
  const { code, errors, last } = await cli.publish([path, '--in-flight', '1']);
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

test('the bridge takes it as well, with the same verdicts, faults and places to go on from', async () => {
  const target = ['--target', system.http];
  const lines = events('bridge', 300);
  expect(await cli.publish([...target, '--batch', '7', '--in-flight', '3'], lines)).toEqual(done(fresh));
  expect(await cli.publish([...target, '--batch', '3000'], lines)).toEqual(done(repeated));
  const bad = `${event('bridge', 1, '{"a":01}')}${event('bridge', 2, '{"a":1,"a":2}')}${event('bridge', 3, '{"n":"x"}')}`;
  const { code, errors, last } = await cli.publish([cli.write('bridge-bad.ndjson', bad), ...target]);
  expect({ code, last }).toEqual({
    code: 1,
    last: 'done published=1 stored=0 duplicates=1 conflicts=1 rejected=2 errors=0',
  });
  expect(errors).toContain('bridge-bad.ndjson, line 1: payload is not valid JSON');
  expect(errors).toMatch(/bridge-bad\.ndjson, line 2: payload\.a is a duplicate key/);
  expect(errors).toContain('bridge-bad.ndjson, line 3: event_id is stored with another payload or source since');

  const path = cli.write('bridge.ndjson', events('bridged', 5_000));
  const args = [path, ...target, '--in-flight', '1', '--batch', '10'];
  const { errors: said } = await cli.interruptAt(200, 'bridged', args);
  const line = stoppedAfter(said);
  expect(await cli.storedOf('bridged')).toBe(line);
  expect((await cli.publish(args.with(-1, '500'))).last).toBe(
    done(`published=${5_000 - line} stored=${5_000 - line} duplicates=0 conflicts=0`).last,
  );
});

test('one event that the bridge cannot even read costs none of those around it', async () => {
  const deep = `${'{"a":'.repeat(1_100)}1${'}'.repeat(1_100)}`;
  const path = cli.write('deep.ndjson', `${events('around', 60)}${event('around', 999, deep)}${events('behind', 60)}`);
  const { code, errors, last } = await cli.publish([path, '--target', system.http]);
  expect({ code, last }).toEqual({
    code: 1,
    last: 'done published=120 stored=120 duplicates=0 conflicts=0 rejected=1 errors=0',
  });
  expect(errors).toMatch(/deep\.ndjson, line 61: .*answered 400: .*nested/);
});

test('more events in a request than a server takes are sent in parts, at both doors', async () => {
  for (const target of [
    ['--gateway', system.gatewayAddress],
    ['--target', system.http],
  ]) {
    const { code, last } = await cli.publish([...target, '--batch', '10000'], events(`parts${target[0]}`, 3_000));
    expect({ code, last }).toEqual({ code: 0, last: done('published=3000 stored=3000 duplicates=0 conflicts=0').last });
  }
});

test('for programs there is JSON', async () => {
  const json = await cli.publish(['--json'], events('forms', 300));
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
  const { code, errors } = await cli.publish(args, '');
  expect(code).toBe(2);
  expect(errors).toContain(sentence);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
});

test('on a terminal there is a bar, and only there', async () => {
  const path = cli.write('bar.ndjson', events('bar', 20_000));
  const line = `${process.execPath} ${publishCommand} publish ${path} --batch 20 --gateway ${system.gatewayAddress}`;
  const captured = join(cli.folder, 'captured');
  await new Promise((resolve) => execFile('script', ['-qec', line, captured], { cwd: cli.folder }, resolve));
  const text = readFileSync(captured, 'utf8');
  expect(text).toMatch(/bar\.ndjson: \[#+\.+\] \d+ %, \d+ events, \d+\/s, \d+:\d\d left/);
  expect(text).toMatch(/bar\.ndjson: \[#{12}\] 100 %, 20000 events/);
  expect(text).toContain('done published=20000 stored=20000');
  expect((await cli.publish([path])).errors).not.toContain('[');
});
