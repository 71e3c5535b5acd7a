import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { parse } from 'yaml';
import { natsServerConfig } from '../../embedded/src/nats-config.js';
import { atLeast, GOOD_NATS, natsServerVersion, PINNED_NATS } from '../../embedded/src/nats-version.js';
import { environmentOf, mountsOf, root, serviceOf } from './compose-file.js';
import { programs } from './programs.js';

const natsConfig = readFileSync(`${root}deploy/nats/nats-server.conf`, 'utf8');
const readYaml = (path: string) => parse(readFileSync(root + path, 'utf8'));

/** `name: value` lines of a nats-server configuration, blocks flattened. */
function settingsIn(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/^\s*(\w+): "?([^"\n]+)"?$/gm)].map((match) => [match[1], match[2]]);
  return Object.fromEntries(pairs);
}

test('nats-server takes its configuration', () => {
  const binary = inject('natsBinary');
  const recent = atLeast(natsServerVersion(binary) ?? '0.0.0', GOOD_NATS);
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-nats-config-'));
  try {
    const file = join(folder, 'nats-server.conf');
    // Older servers than the image's refuse a setting that they do not know.
    writeFileSync(file, recent ? natsConfig : natsConfig.replace(/^\s*sync_interval:.*$/m, ''));
    const env = { ...process.env, ...environmentOf('nats') };
    execFileSync(binary, ['-t', '--config', file], { env, stdio: 'pipe' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('nats-server promises in a container what it promises under npm start', () => {
  const here = settingsIn(natsConfig);
  const options = { host: '', port: 0, storeDir: '', logFile: '', maxFileBytes: 0, syncInterval: '10s' };
  const there = settingsIn(natsServerConfig({ ...options, version: PINNED_NATS }));
  for (const name of ['max_payload', 'max_memory_store', 'sync_interval', 'server_name']) {
    expect([name, here[name]]).toEqual([name, there[name]]);
  }
});

test('nats-server keeps its store in the volume, listens where it is looked for, and is probed where it answers', () => {
  const nats = serviceOf('nats');
  const { store_dir, listen, http } = settingsIn(natsConfig);
  expect(mountsOf(nats)).toContainEqual(expect.objectContaining({ source: 'nats-data', target: store_dir }));
  expect(environmentOf('gateway').NATS_URL?.split(':').at(-1)).toBe(listen?.split(':').at(-1));
  expect(nats.healthcheck?.test.at(-1)).toBe(`http://${http}/healthz`);
  const config = mountsOf(nats).find(({ isFile }) => isFile);
  expect(root + config?.source.slice(2)).toBe(`${root}deploy/nats/nats-server.conf`);
  expect(nats.command).toEqual(['nats-server', '--config', config?.target]);
});

test('Prometheus asks every container of every service, on the port where it answers', () => {
  const { scrape_configs: jobs, rule_files: rules } = readYaml('deploy/prometheus/prometheus.yml');
  const asked = jobs.flatMap((job: { dns_sd_configs?: { names: string[]; type: string; port: number }[] }) =>
    (job.dns_sd_configs ?? []).map(({ names, type, port }) => ({ names, type, port })),
  );
  const listening = programs
    .filter(({ probePort }) => probePort !== undefined)
    .map(({ service, probePort }) => ({ names: [service], type: 'A', port: probePort }));
  expect(asked).toEqual(listening);
  const mount = mountsOf(serviceOf('prometheus')).find(({ isFile }) => isFile);
  for (const file of rules) expect(file.startsWith(`${mount?.target}/`)).toBe(true);
  expect(serviceOf('prometheus').command).toContain(`--config.file=${mount?.target}/prometheus.yml`);
});

test('Grafana finds Prometheus, and its dashboards where they are mounted', () => {
  const mount = mountsOf(serviceOf('grafana')).find(({ isFile }) => isFile);
  expect(environmentOf('grafana').GF_PATHS_PROVISIONING).toBe(`${mount?.target}/provisioning`);
  const [source] = readYaml('deploy/grafana/provisioning/datasources/prometheus.yml').datasources;
  expect(source).toMatchObject({ type: 'prometheus', uid: 'prometheus', url: 'http://prometheus:9090' });
  const [provider] = readYaml('deploy/grafana/provisioning/dashboards/eventsieve.yml').providers;
  const folder = provider.options.path.replace(mount?.target, `${root}${mount?.source.slice(2)}`);
  expect(readdirSync(folder).filter((name) => name.endsWith('.json'))).not.toEqual([]);
});

test('the load reads the variables that it is given', () => {
  const script = readFileSync(`${root}deploy/load/doors.js`, 'utf8');
  const read = new Set([...script.matchAll(/__ENV\.(\w+)/g)].map((match) => match[1]));
  const given = Object.keys(serviceOf('load').environment ?? {}).filter((name) => !name.startsWith('K6_'));
  expect(given.sort()).toEqual([...read].sort());
  const { command = [], healthcheck } = serviceOf('load');
  const mount = mountsOf(serviceOf('load'))[0];
  expect(command).toEqual(['run', `${mount?.target}/doors.js`]);
  expect(healthcheck).toBeUndefined();
});
