import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const maxLines = 300;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const files: SourceFile[] = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
})
  .toString()
  .split('\0')
  .filter((path) => /\.(ts|mts|mjs|js)$/.test(path) && !path.includes('/gen/'))
  .flatMap((path) => {
    try {
      const text = readFileSync(join(root, path), 'utf8');
      return [{ path, text, imports: importsOf(text) }];
    } catch {
      // Deleted in the working tree.
      return [];
    }
  });

const isTest = (path: string) => /\.test\.ts$/.test(path) || /(^|\/)tests\//.test(path);
const shipped = files.filter(({ path }) => !isTest(path));

function importsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import '([^']+)'/g,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** `services/gateway`, `packages/store`, `embedded`, … */
function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  return first === 'packages' || first === 'services' ? `${first}/${second}` : first;
}

function roomOfImport(specifier: string): string | undefined {
  const match = /^@eventsieve\/([^/]+)/.exec(specifier);
  const name = match?.[1];
  if (name === undefined) return undefined;
  if (name === 'embedded') return 'embedded';
  if (name === 'client') return 'packages/sdk';
  return ['gateway', 'dedup-worker', 'query'].includes(name) ? `services/${name}` : `packages/${name}`;
}

test('there is something to look at', () => {
  expect(shipped.length).toBeGreaterThan(50);
  expect(shipped.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
});

test('no file is over the limit', () => {
  const long = files.filter(({ text }) => text.split('\n').length > maxLines + 1).map(({ path }) => path);
  expect(long).toEqual([]);
});

test('rooms import in one direction only', () => {
  const allowed: Record<string, readonly string[]> = {
    'packages/contract': [],
    'packages/store': [],
    'packages/runtime': ['packages/contract'],
    'services/gateway': ['packages/contract', 'packages/runtime', 'packages/store'],
    'services/dedup-worker': ['packages/contract', 'packages/runtime', 'packages/store'],
    'services/query': ['packages/contract', 'packages/runtime', 'packages/store'],
    'packages/sdk': ['packages/contract'],
    'packages/cli': ['packages/sdk'],
    embedded: ['packages/runtime'],
    bench: ['packages/contract', 'packages/sdk', 'packages/store', 'embedded'],
    examples: ['packages/sdk'],
  };
  const wrong = shipped.flatMap(({ path, imports }) => {
    const room = roomOf(path);
    return imports.flatMap((specifier) => {
      const target = specifier.startsWith('.')
        ? roomOf(normalize(join(dirname(path), specifier)))
        : roomOfImport(specifier);
      const fine = target === undefined || target === room || (allowed[room] ?? []).includes(target);
      return fine ? [] : [`${path} imports ${specifier}`];
    });
  });
  expect(wrong).toEqual([]);
});

test('no import goes round in a circle', () => {
  const known = new Set(files.map(({ path }) => path));
  const edges = new Map(
    shipped.map(({ path, imports }) => [
      path,
      imports
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts'))
        .filter((target) => known.has(target)),
    ]),
  );
  const circles: string[] = [];
  const done = new Set<string>();
  function visit(path: string, trail: readonly string[]): void {
    if (trail.includes(path)) {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  }
  for (const path of edges.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

test('the environment is read in one place per service', () => {
  const readers = shipped.filter(({ text }) => text.includes('process.env')).map(({ path }) => path);
  const allowed =
    /^(packages\/runtime\/src\/(environment|lifecycle)\.ts|packages\/store\/src\/migrate-main\.ts|packages\/cli\/src\/environment\.ts|bench\/src\/bench(-ghz)?\.ts|embedded\/.*|examples\/.*)$/;
  expect(readers.filter((path) => !allowed.test(path))).toEqual([]);
});

test('subjects, streams and durables are named in the contract alone', () => {
  const literal = /['"`](es\.(events|tally|verdicts)|EVENTSIEVE['"`_]|dedup-worker-)|\$JS\.API/;
  const wrong = shipped
    .filter(({ path, text }) => path !== 'packages/contract/src/names.ts' && literal.test(text))
    .map(({ path }) => path)
    // Variables begin like streams there.
    .filter((path) => path !== 'packages/cli/src/connection.ts');
  expect(wrong).toEqual([]);
});

test('nobody listens for signals but the lifecycle, the launcher and the command line', () => {
  const wrong = shipped
    .filter(({ text }) => /process\.(on|once)\(\s*'SIG/.test(text))
    .map(({ path }) => path)
    .filter(
      (path) => !/^(packages\/runtime\/src\/lifecycle\.ts|packages\/cli\/src\/interrupts\.ts|embedded\/.*)$/.test(path),
    );
  expect(wrong).toEqual([]);
});

test('main files are small', () => {
  const mains = shipped.filter(({ path }) => /^services\/[^/]+\/src\/main\.ts$/.test(path));
  expect(mains).toHaveLength(3);
  for (const { path, text } of mains) expect(text.split('\n').length, path).toBeLessThanOrEqual(31);
});

test('no test is focused or left out, no error is silenced', () => {
  const marks = /\b(?:test|it|describe)\.(?:only|skip|todo)\b|@ts-(?:ignore|nocheck|expect-error)/;
  const wrong = files
    .filter(({ path, text }) => path !== 'tests/hygiene.test.ts' && marks.test(text))
    .map(({ path }) => path);
  expect(wrong).toEqual([]);
});

test('files are named in kebab-case, and no file is a dump', () => {
  const name = (path: string) => path.split('/').at(-1) ?? '';
  const odd = files
    .map(({ path }) => path)
    .filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.(ts|mts|mjs|js)$/.test(name(path)));
  expect(odd).toEqual([]);
  const dumps = files
    .map(({ path }) => path)
    .filter((path) => /(^|\/)(utils?|helpers?|common|types)(\.ts$|\/)/.test(path));
  expect(dumps).toEqual([]);
});
