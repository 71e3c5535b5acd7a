import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const tracked = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));

/** Every variable that code reads through the settings. */
const variablesRead = new Set(
  tracked
    .filter((path) => /^(services|embedded|packages\/runtime)\/.*\.ts$/.test(path) && !/test/.test(path))
    .flatMap((path) => [
      ...read(path).matchAll(/\.(?:text|integer|port|durationMs|bytes|choice|url|address)\(\s*'([A-Z][A-Z_]+)'/g),
    ])
    .map((match) => match[1] as string),
);

test('the table of settings in the README names what the code reads, and nothing else', () => {
  const table = read('README.md').split('## Settings')[1]?.split('\n## ')[0] ?? '';
  const named = [...table.matchAll(/^\| `([A-Z_]+)`(?: \(or `([A-Z_]+)`\))?/gm)].flatMap((match) =>
    [match[1], match[2] ?? []].flat(),
  );
  // NATS_SERVER is read where nats-server is looked for.
  expect(named.sort()).toEqual([...variablesRead, 'NATS_SERVER'].sort());
});

test('.env.example names variables that exist', () => {
  const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z_]+)=/gm)].map((match) => match[1] as string);
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !variablesRead.has(name))).toEqual([]);
});

test("what the documents say of a worker's connections to Postgres is what its pool may hold", () => {
  const beside = read('services/dedup-worker/src/start.ts').match(/max: config\.batchesInFlight \+ (\d+),/)?.[1];
  expect(beside).toBeDefined();
  for (const path of ['docs/operations.md', 'docs/troubleshooting.md', 'docs/compose.md']) {
    const said = [...read(path).matchAll(/`BATCHES_IN_FLIGHT` \+ (\d+)/g)].map((match) => match[1]);
    expect(said, path).toEqual([beside]);
  }
});

test('links between documents lead somewhere', () => {
  const documents = tracked.filter((path) => path.endsWith('.md'));
  expect(documents.length).toBeGreaterThan(4);
  const dead = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
      .map((match) => join(dirname(path), match[1] as string))
      .filter((target) => !existsSync(join(root, target)))
      .map((target) => `${path} -> ${target}`),
  );
  expect(dead).toEqual([]);
});

test('files that the documents name in code marks exist', () => {
  const mentioned = ['README.md', 'docs/architecture.md', 'CONTRIBUTING.md'].flatMap((path) =>
    [
      ...read(path).matchAll(/`((?:services|packages|embedded|tests|proto|docs)\/[\w./-]*\.(?:ts|mjs|sql|proto|md))`/g),
    ].map((match) => match[1] as string),
  );
  expect(mentioned.length).toBeGreaterThan(10);
  expect(mentioned.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
