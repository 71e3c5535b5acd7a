import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { aborted } from './aborted.js';
import { checkPorts } from './check-ports.js';
import { runTask, type Track } from './child.js';
import { type FoundNatsServer, findNatsServer } from './find-nats-server.js';
import { freePort } from './free-port.js';
import { watchForFullDisk } from './full-disk.js';
import { keepUp, type Part } from './keep-up.js';
import type { LaunchSettings } from './launch-settings.js';
import { endLeftoverNats } from './nats-leftovers.js';
import { startNats } from './nats-server.js';
import { startPostgres } from './postgres.js';
import { endLeftoverPostgres } from './postgres-leftovers.js';
import { readyLines } from './ready-lines.js';
import { serverPart } from './server-part.js';
import { createService } from './service.js';
import { type Ports, serviceEnvironments } from './service-environment.js';
import type { RunningParts } from './stop-parts.js';
import { waitUntilHealthy } from './wait-until-healthy.js';

/** What is run, so that the launcher can be tried with other programs. */
export interface Entries {
  migrate: string;
  gateway: string;
  worker: string;
  query: string;
}

export interface StartPartsOptions {
  settings: LaunchSettings;
  entries: Entries;
  workingFolder: string;
  say: (line: string) => void;
  track: Track;
  stop: AbortSignal;
  /** filled in as parts come up, so that whoever stops them finds them also after a failure */
  parts: RunningParts;
}

const LOOPBACK = '127.0.0.1';

export async function startParts(options: StartPartsOptions): Promise<void> {
  const { settings, say, stop, parts } = options;
  await endLeftovers(settings, say);
  await checkPorts(wantedPorts(settings));
  const natsSource = await startServers(options);
  const databaseUrl = settings.databaseUrl ?? parts.postgres?.url ?? '';
  const natsUrl = settings.natsUrl ?? parts.nats?.url ?? '';
  await migrate(options, databaseUrl);

  const ports = await choosePorts(settings);
  const { door, workers } = serviceEnvironments(settings, ports, databaseUrl, natsUrl);
  const { entries, workingFolder, track } = options;
  const service = (name: string, entry: string, environment: NodeJS.ProcessEnv) =>
    createService({ name, entry, environment, workingFolder }, track, stop);
  parts.doors.push(service('gateway', entries.gateway, door), service('query', entries.query, door));
  for (const [i, environment] of workers.entries()) {
    parts.workers.push(service(`worker-${i + 1}`, entries.worker, environment));
  }
  const services = [...parts.doors, ...parts.workers];
  const keep = (part: Part) => keepUp(part, say, stop);
  if (parts.postgres) keep(serverPart('postgres', parts.postgres));
  const { nats } = parts;
  if (nats) {
    keep(serverPart('nats-server', nats));
    void watchForFullDisk({ logFile: nats.logFile, storeDir: nats.storeDir, say, end: () => nats.stop() }, stop);
  }
  // A service that waits for something may never be ready: a stop must not wait with it.
  await Promise.race([Promise.all(services.map((each) => keep(each).firstReady)), aborted(stop)]);
  const bridge = parts.doors.find(({ addresses }) => addresses.http !== undefined)?.addresses.http;
  const missing = bridge === undefined ? [] : await waitUntilHealthy(bridge, stop);
  stop.throwIfAborted();
  for (const line of readyLines({
    settings,
    ports,
    postgres: parts.postgres,
    nats: parts.nats,
    natsSource,
    services,
    missing,
  })) {
    say(line);
  }
}

function wantedPorts(settings: LaunchSettings) {
  const { bindHost: host, workerMetricsPort, workers } = settings;
  const metrics = workerMetricsPort === 0 ? [] : Array.from({ length: workers }, (_, i) => workerMetricsPort + i);
  return [
    { host, port: settings.httpPort, variable: 'HTTP_PORT' },
    { host, port: settings.gatewayGrpcPort, variable: 'GATEWAY_GRPC_PORT' },
    { host, port: settings.queryGrpcPort, variable: 'QUERY_GRPC_PORT' },
    { host, port: settings.gatewayMetricsPort, variable: 'GATEWAY_METRICS_PORT' },
    ...metrics.map((port) => ({ host, port, variable: 'WORKER_METRICS_PORT' })),
    ...(settings.databaseUrl ? [] : [{ host: LOOPBACK, port: settings.postgresPort, variable: 'EMBEDDED_PG_PORT' }]),
    ...(settings.natsUrl ? [] : [{ host: LOOPBACK, port: settings.natsPort, variable: 'EMBEDDED_NATS_PORT' }]),
  ];
}

/** Before the ports are looked at, which such servers would hold. */
async function endLeftovers({ dataDir }: LaunchSettings, say: (line: string) => void): Promise<void> {
  const postgres = join(dataDir, 'postgres');
  if (existsSync(postgres)) await endLeftoverPostgres(realpathSync(postgres), say);
  await endLeftoverNats(join(dataDir, 'nats'), say);
}

/** Both at once; when one fails the other is waited for all the same, since it may have come up meanwhile. */
async function startServers({ settings, say, track, stop: outer, parts }: StartPartsOptions) {
  const { dataDir } = settings;
  const failed = new AbortController();
  const stop = AbortSignal.any([outer, failed.signal]);
  const logs = join(dataDir, 'logs');
  let found: FoundNatsServer | undefined;
  const postgres = async () => {
    if (settings.databaseUrl) return;
    const logFile = join(logs, 'postgres.log');
    const { postgresPort: port, connections } = settings;
    const options = { dataDir: join(dataDir, 'postgres'), port, connections, logFile, say, track, stop };
    parts.postgres = await startPostgres(options);
    say(`postgres: ${parts.postgres.version} is up`);
  };
  const nats = async () => {
    if (settings.natsUrl) return;
    found = await findNatsServer({ env: settings.environment, say, track, stop });
    say(`nats-server: ${found.version} from ${found.source}, ${found.path}`);
    const maxFileBytes = Math.max(16 * 2 ** 30, 2 * settings.streamMaxBytes);
    const logFile = join(logs, 'nats-server.log');
    const options = { storeDir: join(dataDir, 'nats'), port: settings.natsPort, binary: found.path, maxFileBytes };
    parts.nats = await startNats({ ...options, logFile, say, track, stop });
  };
  const starts = [postgres(), nats()];
  try {
    await Promise.all(starts);
  } catch (error) {
    failed.abort();
    await Promise.allSettled(starts);
    throw error;
  }
  return found?.source;
}

async function migrate({ settings, entries, workingFolder, say, track, stop }: StartPartsOptions, databaseUrl: string) {
  const env = { ...settings.environment, DATABASE_URL: databaseUrl };
  const { code, output } = await runTask(process.execPath, [entries.migrate], { cwd: workingFolder, env, track, stop });
  if (code !== 0) throw new Error(output || `The migrations ended with exit code ${code}.`);
  if (output) say(`migrations: ${output}`);
}

/** Concrete from here on: a door that is started again must be where it was. */
async function choosePorts({ bindHost, httpPort, gatewayGrpcPort, queryGrpcPort }: LaunchSettings): Promise<Ports> {
  return {
    http: httpPort || (await freePort(bindHost)),
    gatewayGrpc: gatewayGrpcPort || (await freePort(bindHost)),
    queryGrpc: queryGrpcPort || (await freePort(bindHost)),
  };
}
