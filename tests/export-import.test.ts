import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditedTotals, drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';

const documented = readFileSync(fileURLToPath(new URL('../docs/operations.md', import.meta.url)), 'utf8');
const section = documented.split('## Export and import')[1]?.split('\n## ')[0] ?? '';
const [exportAll = '', exportFile = '', importAll = ''] = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(
  ([, command = '']) => command.trim(),
);

const maxEventBytes = 4_096;
const environment = { MAX_EVENT_BYTES: String(maxEventBytes) };
let system: System;
let folder: string;
beforeAll(async () => {
  system = await startSystem({ environment });
  folder = mkdtempSync(join(tmpdir(), 'eventsieve-export-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system.stop();
});

/** A command as it is documented, asked of a system. */
async function run(command: string, of: System): Promise<void> {
  expect(command).toContain('localhost:8080');
  await promisify(execFile)('bash', ['-c', command.replace('localhost:8080', new URL(of.http).host)], { cwd: folder });
}
const written = (name: string) => readFileSync(join(folder, name), 'utf8');

async function publish(body: string, of = system) {
  const response = await fetch(`${of.http}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, body: (await response.json()) as { inserted: number } };
}

const text = (maxLength: number) =>
  fc
    .string({
      unit: fc.oneof(
        fc.constantFrom('"', '\\', ' ', ',', ':', '\u2028', '😀', 'é'),
        fc.string({ unit: 'grapheme', maxLength: 1 }),
      ),
      minLength: 1,
      maxLength,
    })
    .filter((each) => each !== '' && !/[\p{Cc}\p{Surrogate}]/u.test(each));
const number = fc.oneof(
  fc.stringMatching(/^-?[1-9]\d{0,60}\.\d{1,40}$/),
  fc.stringMatching(/^-?[1-9]\d{20,80}$/),
  fc.constantFrom('0.10', '1e-7', '5E+3', '0', '1.000'),
);
/** JSON texts, not values: of a value the digits would be gone before anything is sent. */
const { json } = fc.letrec<{ json: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(
    number,
    text(12).map((each) => JSON.stringify(each)),
    fc.constantFrom('true', 'null', '"\\n\\t\\u0001"', '{}', '[]'),
  ),
  json: fc.oneof(
    { maxDepth: 4 },
    tie('leaf'),
    fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .uniqueArray(fc.tuple(text(6), tie('json')), { selector: ([key]) => key, maxLength: 4 })
      .map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
  ),
}));
const event = fc
  .tuple(text(40), text(40), text(40), json, fc.integer({ min: 0, max: 2 ** 31 }))
  .map(
    ([topic, id, source, payload, seconds]) =>
      `{"topic":${JSON.stringify(topic)},"event_id":${JSON.stringify(id)},"source":${JSON.stringify(source)},` +
      `"timestamp":"${new Date(seconds * 1000).toISOString().slice(0, 19)}.000${seconds % 1000}Z","payload":{"p":${payload}}}`,
  );

/** As large as it may be, and jsonb would write it larger. */
function largest(): string {
  const frame = { topic: 't', event_id: 'largest', source: 's', timestamp: '2024-05-01T12:00:00Z' };
  const payloadBytes = maxEventBytes - frame.topic.length - frame.event_id.length - frame.source.length;
  const list = '{"a":[1';
  const items = Math.floor((payloadBytes - list.length - 2) / 2);
  const payload = `${list}${',1'.repeat(items)}]}`;
  return `${JSON.stringify(frame).slice(0, -1)},"payload":${payload}}`;
}

test('export, import into an empty system: the same events; imported once more, none is stored', async () => {
  const given = fc.sample(event, { numRuns: 400, seed: 7 });
  for (let i = 0; i < given.length; i += 100) {
    const { status } = await publish(`[${given.slice(i, i + 100).join(',')}]`);
    expect(status).toBe(200);
  }
  expect((await publish(largest())).status).toBe(201);
  // What came more than once is in it once.
  await publish(`[${given.slice(0, 50).join(',')}]`);
  await drained(system);
  const before = await auditedTotals(system.database);
  expect(before.unique).toBeGreaterThan(390);
  expect(before.duplicates).toBeGreaterThanOrEqual(50);

  await run(exportAll, system);
  const lines = written('events.ndjson');
  expect(lines.split('\n')).toHaveLength(before.unique + 1);

  const empty = await startSystem({ environment });
  try {
    const small = importAll.replace('-l 1000', '-l 70');
    expect(small).not.toBe(importAll);
    await run(small, empty);
    await drained(empty);
    expect(await auditedTotals(empty.database)).toMatchObject({ unique: before.unique, duplicates: 0, conflicts: 0 });
    // To the letter, and in the same order.
    const again = await (await fetch(`${empty.http}/events/export`)).text();
    expect(again).toBe(lines);

    await run(importAll, empty);
    await drained(empty);
    expect(await auditedTotals(empty.database)).toMatchObject({
      unique: before.unique,
      duplicates: before.unique,
      conflicts: 0,
    });
    // With what meta adds, and as gzip.
    const withMeta = await (await fetch(`${system.http}/events/export?meta=true`)).text();
    writeFileSync(join(folder, 'events.ndjson'), withMeta);
    await run(importAll, empty);
    await drained(empty);
    expect(await auditedTotals(empty.database)).toMatchObject({ duplicates: 2 * before.unique, conflicts: 0 });
  } finally {
    await empty.stop();
  }
}, 120_000);

test('the file of a filter, as gzip', async () => {
  const order = { topic: 'orders.eu', event_id: '1', source: 's', timestamp: '2024-05-01T12:00:00Z', payload: {} };
  await publish(JSON.stringify([order, { ...order, event_id: '2' }]));
  await run(exportFile, system);
  const lines = gunzipSync(readFileSync(join(folder, 'orders.ndjson.gz'))).toString();
  expect(
    lines
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  ).toEqual([order, { ...order, event_id: '2' }]);
  const response = await fetch(`${system.http}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
    body: new Uint8Array(readFileSync(join(folder, 'orders.ndjson.gz'))),
  });
  expect(await response.json()).toMatchObject({ received: 2, inserted: 0, duplicates: 2 });
});

test('an import stops at lines that are refused, and names the one', async () => {
  writeFileSync(join(folder, 'events.ndjson'), '{"topic":"t"}\n'.repeat(3));
  await expect(run(importAll, system)).rejects.toThrow(/400/);
  const response = await fetch(`${system.http}/publish?allow_partial=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `\n${largest()}\nnot JSON\n`,
  });
  expect(await response.json()).toMatchObject({
    received: 2,
    rejected: 1,
    results: [
      { event_id: 'largest' },
      { outcome: 'rejected', error: { message: expect.stringContaining('not valid JSON') } },
    ],
  });
});
