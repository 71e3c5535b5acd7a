import { existsSync, readFileSync } from 'node:fs';
import { settingsOf } from '@eventsieve/runtime/settings';
import { describe, expect, test } from 'vitest';
import { natsEnvironment } from '../embedded/src/nats-environment.js';
import { PINNED_NATS } from '../embedded/src/nats-version.js';
import { nodeFlagsOf } from '../embedded/src/node-flags.js';
import { postgresTuning } from '../embedded/src/postgres-tuning.js';
import {
  compose,
  composeText,
  environmentOf,
  mountsOf,
  publishedPortsOf,
  root,
  serviceOf,
  services,
  written,
} from './compose/compose-file.js';
import { programs } from './compose/programs.js';

const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
const documentation = readFileSync(`${root}docs/compose.md`, 'utf8');
const thirdParty = services.filter(([name]) => !programs.some(({ service }) => service === name));

describe.each(programs)('$service', ({ service, reads, doors, probePort }) => {
  const { environment = {}, healthcheck, command = [] } = serviceOf(service);

  test('reads every variable that is set for it, and none that could be set is forgotten', () => {
    // PORT is another name of HTTP_PORT.
    const expected = [...reads].filter((name) => name !== 'PORT');
    expect(Object.keys(environment).sort()).toEqual(expected.sort());
  });

  test('runs an entry point that is built from a source, as npm start does', () => {
    const flags = nodeFlagsOf(service);
    expect(command.slice(0, 1 + flags.length)).toEqual(['node', ...flags]);
    const source = command[1 + flags.length]?.replace('/dist/', '/src/').replace(/\.js$/, '.ts') ?? '';
    expect(existsSync(root + source), source).toBe(true);
  });

  test('is probed on the port that it is told to listen on', () => {
    const asked = /'http:\/\/127\.0\.0\.1:(\d+)\/health'/.exec(healthcheck?.test.join(' ') ?? '')?.[1];
    expect(asked).toBe(probePort === undefined ? undefined : String(probePort));
  });

  test('publishes its doors and nothing else', () => {
    const inside = publishedPortsOf(serviceOf(service)).map((port) => port.inside);
    expect(inside.sort()).toEqual([...doors].sort());
  });

  test('is the image of this version', () => {
    expect(serviceOf(service)).toMatchObject({ image: `eventsieve:${version}`, build: { target: 'runtime' } });
  });
});

describe.each(services)('%s', (name, service) => {
  test('runs with nothing that it does not need', () => {
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(service.user).toMatch(/^[1-9]\d*:\d+$/);
    expect(service.cap_add).toBeUndefined();
    expect(service.privileged).toBeUndefined();
    expect(service.network_mode).toBeUndefined();
  });

  test('is bounded in memory, processes and logs', () => {
    const { memory, pids } = service.deploy?.resources.limits ?? {};
    expect(settingsOf({ MEMORY: String(memory) }).bytes('MEMORY', 0)).toBeGreaterThanOrEqual(256 * 1024 ** 2);
    expect(pids).toBeGreaterThan(0);
    expect(service.logging).toEqual({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } });
  });

  test('names an image of one version', () => {
    expect(service.image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-alpine)?$/);
    expect(existsSync(`${root}${service.build?.context ?? '.'}/Dockerfile`)).toBe(true);
  });

  test('can be started any number of times, but for its doors', () => {
    expect(service.container_name).toBeUndefined();
    expect(service.ports !== undefined).toBe(['gateway', 'query', 'grafana'].includes(name));
  });

  test('is reached from outside only where it publishes, and there only from this machine by default', () => {
    for (const { address } of publishedPortsOf(service)) expect(address).toBe('127.0.0.1');
    for (const port of written.services[name]?.ports ?? []) {
      expect(port).toMatch(/^\$\{PUBLISH_ADDRESS:-127\.0\.0\.1\}:\$\{[A-Z_]+:-(\d+)\}:\1$/);
    }
    expect(service.networks).toEqual(service.ports === undefined ? ['inside'] : ['inside', 'doors']);
  });

  test('mounts files that exist, to read, and volumes that are declared', () => {
    for (const { source, mode, isFile } of mountsOf(service)) {
      if (isFile) expect([existsSync(root + source), mode], source).toEqual([true, 'ro']);
      else expect(Object.keys(compose.volumes)).toContain(source);
    }
  });

  test('waits for others in a way that they can satisfy', () => {
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      const needed = serviceOf(other);
      if (condition === 'service_completed_successfully') expect(needed.restart).toBe('no');
      else expect([condition, needed.healthcheck !== undefined], other).toEqual(['service_healthy', true]);
      // What a profile leaves out must not be missed.
      for (const profile of needed.profiles ?? []) expect(service.profiles).toContain(profile);
    }
  });

  test('comes back after a crash, unless it is a task', () => {
    const isTask = ['migrate', 'load', 'demo'].includes(name);
    expect(service.restart).toBe(isTask ? 'no' : 'unless-stopped');
    expect(service.healthcheck === undefined).toBe(isTask);
  });

  test('holds no secret', () => {
    for (const [variable, value] of Object.entries(written.services[name]?.environment ?? {})) {
      if (/PASS|SECRET|TOKEN|KEY(?!_RETENTION)/.test(variable))
        expect(value, variable).toMatch(/^\$\{[A-Z_]+:\?[^}]+\}$/);
      expect(value ?? '', variable).not.toMatch(/:\/\/[^/]*:[^/]*@/);
    }
  });
});

test('the services wait for the schema and for the broker', () => {
  const dependencies = {
    migrate: { condition: 'service_completed_successfully' },
    nats: { condition: 'service_healthy' },
  };
  for (const name of ['gateway', 'dedup-worker', 'query']) expect(serviceOf(name).depends_on).toEqual(dependencies);
  expect(serviceOf('migrate').depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
});

test('addresses between services are those of services and of what they listen on', () => {
  const all = services.flatMap(([name]) => Object.entries(environmentOf(name)));
  const targets = new Set(all.flatMap(([, value]) => /(?:^|[/@])([a-z][a-z-]*:\d+)/.exec(value)?.[1] ?? []));
  const [gateway, query] = ['gateway', 'query'].map((name) => programs.find(({ service }) => service === name));
  expect([...targets].sort()).toEqual([
    `gateway:${gateway?.doors[0]}`,
    'nats:4222',
    'postgres:5432',
    `query:${query?.doors[0]}`,
    `query:${query?.doors[1]}`,
  ]);
});

test('the database is the one that is made, by the same user and with the same password', () => {
  const made = environmentOf('postgres');
  for (const name of ['migrate', 'dedup-worker', 'query']) {
    const { DATABASE_URL = '', PGPASSWORD } = environmentOf(name);
    const { username, pathname } = new URL(DATABASE_URL);
    expect([username, pathname.slice(1), PGPASSWORD]).toEqual([
      made.POSTGRES_USER,
      made.POSTGRES_DB,
      made.POSTGRES_PASSWORD,
    ]);
  }
  expect(serviceOf('postgres').healthcheck?.test).toEqual(
    expect.arrayContaining([`--username=${made.POSTGRES_USER}`, `--dbname=${made.POSTGRES_DB}`]),
  );
  // Nothing that an answer STORED stands on is turned off.
  expect(serviceOf('postgres').command?.join(' ')).not.toMatch(/fsync|synchronous_commit|full_page_writes/);
});

test('Postgres and nats-server are the versions that everything is tested with', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(`${root}embedded/package.json`, 'utf8'));
  const [embedded] = Object.values(optionalDependencies as Record<string, string>);
  expect(serviceOf('postgres').image).toBe(`postgres:${/^\d+\.\d+/.exec(embedded ?? '')?.[0]}-alpine`);
  expect(serviceOf('nats').image).toBe(`eventsieve-nats:${PINNED_NATS}`);
});

test('Postgres and nats-server are set for this load as npm start sets them', () => {
  const { command = [] } = serviceOf('postgres');
  for (const [name, value] of Object.entries(postgresTuning)) expect(command).toContain(`${name}=${value}`);
  const { GOGC, GODEBUG } = natsEnvironment({});
  expect(environmentOf('nats')).toMatchObject({ GOGC, GODEBUG });
});

test('what is draining is waited for', () => {
  for (const name of ['gateway', 'dedup-worker', 'query']) {
    const settings = settingsOf({ ...environmentOf(name), GRACE: serviceOf(name).stop_grace_period });
    const drainMs = settings.durationMs('DRAIN_TIMEOUT', 0);
    expect(drainMs).toBeGreaterThan(0);
    expect(settings.durationMs('GRACE', 0)).toBeGreaterThanOrEqual(drainMs + 5_000);
  }
});

test('without a profile there are the services and what they stand on', () => {
  const plain = services.filter(([, { profiles }]) => profiles === undefined).map(([name]) => name);
  expect(plain.sort()).toEqual(['dedup-worker', 'gateway', 'migrate', 'nats', 'postgres', 'query']);
});

test('networks and volumes are all used, and the inner network is closed', () => {
  expect(compose.networks).toEqual({ inside: { internal: true }, doors: {} });
  const used = services.flatMap(([, service]) => mountsOf(service).filter(({ isFile }) => !isFile));
  expect(used.map(({ source }) => source).sort()).toEqual(Object.keys(compose.volumes).sort());
});

test('what keeps data keeps it in a volume', () => {
  const places = Object.fromEntries(thirdParty.map(([name, service]) => [name, mountsOf(service)[0]?.target]));
  // Not below /var/lib/postgresql/data: the image of Postgres 18 refuses that (docker-library/postgres#1259).
  expect(places).toMatchObject({ postgres: '/var/lib/postgresql', nats: '/data', prometheus: '/prometheus' });
});

test('the documentation names every variable that can be set', () => {
  const inText = [...composeText.matchAll(/\$\{([A-Z_]+)/g)].map((match) => match[1]);
  const passedOn = Object.values(written.services).flatMap(({ environment = {} }) =>
    Object.keys(environment).filter((name) => environment[name] === null),
  );
  for (const name of new Set([...inText, ...passedOn])) expect(documentation).toContain(`\`${name}\``);
});

test('the documentation names every profile', () => {
  for (const profile of services.flatMap(([, { profiles = [] }]) => profiles)) {
    expect(documentation).toContain(`--profile ${profile}`);
  }
});
