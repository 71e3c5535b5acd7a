import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerNames, namesFor } from '@eventsieve/contract/names';
import type { Track } from '@eventsieve/embedded/child';
import { freePort } from '@eventsieve/embedded/free-port';
import { type Nats, startNats } from '@eventsieve/embedded/nats-server';
import { type Postgres, startPostgres } from '@eventsieve/embedded/postgres';
import { migrateStore } from '@eventsieve/store/migrate';
import { Pool } from 'pg';
import { type Link, openLink } from './link.js';
import { type Service, type ServiceKind, serviceOf } from './service.js';

export interface WorldOptions {
  /** The repository, built; or a copy of its build with a fault of its own. */
  readonly build: string;
  readonly gateways: number;
  readonly workers: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** By how much the clock of each kind of service is wrong. */
  readonly clocksMs?: Readonly<Partial<Record<ServiceKind, number>>>;
  /** Run on the new database, after the migrations. */
  readonly sql?: readonly string[];
  readonly natsBinary: string;
  readonly track: Track;
  readonly stop: AbortSignal;
}

export type LinkName =
  | 'publisher-gateway'
  | 'publisher-query'
  | 'gateway-nats'
  | 'worker-nats'
  | 'worker-postgres'
  | 'query-nats'
  | 'query-postgres'
  | 'query-gateway';

/** Everything that a round runs on: real servers, real processes, and a link of ours between each two. */
export interface World {
  readonly postgres: Postgres;
  readonly nats: Nats;
  readonly natsStore: string;
  readonly names: BrokerNames;
  readonly links: Readonly<Record<LinkName, Link>>;
  readonly services: readonly Service[];
  /** Where publishers publish: one per gateway, the first through a link. */
  readonly gateways: readonly string[];
  readonly http: string;
  /** Past every link, for the checks. */
  readonly direct: { readonly pool: Pool; readonly http: string; readonly query: string };
  readonly crashes: readonly string[];
  /** Writes what every part has said into a folder. */
  keepLogs(folder: string): void;
  of(kind: ServiceKind): Service[];
  stop(): Promise<void>;
}

export async function buildWorld(options: WorldOptions): Promise<World> {
  const { build, track, stop, natsBinary } = options;
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-faults-'));
  const cwd = join(folder, 'empty');
  mkdirSync(cwd);
  const natsStore = join(folder, 'nats');
  const [postgres, nats] = await Promise.all([
    startPostgres({ dataDir: join(folder, 'postgres'), settings: { max_connections: '100' }, track, stop }),
    startNats({ storeDir: natsStore, binary: natsBinary, track, stop }),
  ]);
  await migrateStore(postgres.url);
  const names = namesFor(`f${randomBytes(3).toString('hex')}`);
  const prefix = names.tallySubject.split('.')[0] as string;

  const gatewayPorts = await freePorts(options.gateways);
  const [queryPort, httpPort] = (await freePorts(2)) as [number, number];
  const targets: Record<LinkName, number> = {
    'publisher-gateway': gatewayPorts[0] as number,
    'publisher-query': httpPort,
    'gateway-nats': nats.port,
    'worker-nats': nats.port,
    'worker-postgres': postgres.port,
    'query-nats': nats.port,
    'query-postgres': postgres.port,
    'query-gateway': gatewayPorts.at(-1) as number,
  };
  const links = Object.fromEntries(
    await Promise.all(Object.entries(targets).map(async ([name, port]) => [name, await openLink(name, port)])),
  ) as Record<LinkName, Link>;
  const through = (url: string, link: LinkName) => url.replace(/:\d+(?=\/|$)/, `:${links[link].port}`);

  const common = {
    NATS_PREFIX: prefix,
    LOG_LEVEL: 'info',
    STREAM_MAX_BYTES: '256MB',
    ACK_WAIT: '2s',
    STATEMENT_TIMEOUT: '5s',
    STORED_TIMEOUT: '3s',
    PUBLISH_TIMEOUT: '3s',
    GATEWAY_METRICS_PORT: '0',
    WORKER_METRICS_PORT: '0',
    ...options.environment,
  };
  const crashes: string[] = [];
  const onCrash = (name: string, how: string, output: string) => {
    crashes.push(`${name} ended by itself (${how}): ${output.slice(-1_500)}`);
  };
  const service = (kind: ServiceKind, name: string, environment: Readonly<Record<string, string>>) =>
    serviceOf({
      kind,
      name,
      build,
      environment: { ...common, ...environment, ...wrongClock(options.clocksMs?.[kind] ?? 0) },
      folder: cwd,
      track,
      onCrash,
    });
  const services = [
    ...gatewayPorts.map((port, i) =>
      service('gateway', `gateway ${i + 1}`, {
        NATS_URL: through(nats.url, 'gateway-nats'),
        GATEWAY_GRPC_PORT: String(port),
      }),
    ),
    ...Array.from({ length: options.workers }, (_, i) =>
      service('dedup-worker', `worker ${i + 1}`, {
        NATS_URL: through(nats.url, 'worker-nats'),
        DATABASE_URL: through(postgres.url, 'worker-postgres'),
      }),
    ),
    service('query', 'query', {
      NATS_URL: through(nats.url, 'query-nats'),
      DATABASE_URL: through(postgres.url, 'query-postgres'),
      GATEWAY_URL: `127.0.0.1:${links['query-gateway'].port}`,
      QUERY_GRPC_PORT: String(queryPort),
      HTTP_PORT: String(httpPort),
    }),
  ];
  const pool = new Pool({ connectionString: postgres.url, max: 3 });
  pool.on('error', () => undefined);
  for (const statement of options.sql ?? []) await pool.query(statement);
  await Promise.all(services.map((each) => each.start()));

  return {
    postgres,
    nats,
    natsStore,
    names,
    links,
    services,
    gateways: gatewayPorts.map((port, i) => `127.0.0.1:${i === 0 ? links['publisher-gateway'].port : port}`),
    http: `http://127.0.0.1:${links['publisher-query'].port}`,
    direct: { pool, http: `http://127.0.0.1:${httpPort}`, query: `127.0.0.1:${queryPort}` },
    crashes,
    keepLogs(to) {
      mkdirSync(to, { recursive: true });
      for (const { name, output } of services) writeFileSync(join(to, `${name.replace(' ', '-')}.log`), output());
      for (const name of readdirSync(folder)) if (name.includes('.log')) cpSync(join(folder, name), join(to, name));
    },
    of: (kind) => services.filter((each) => each.kind === kind),
    async stop() {
      await Promise.all(services.map((each) => each.end('SIGKILL')));
      await Promise.all(Object.values(links).map((link) => link.close()));
      await pool.end().catch(() => undefined);
      for (const pid of [postgres.pid, nats.pid]) if (pid !== undefined) process.kill(pid, 'SIGCONT');
      await Promise.all([postgres.stopNow(), nats.kill()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Moves what a process takes for the time; its timers run as ever. */
function wrongClock(byMs: number): Record<string, string> {
  if (byMs === 0) return {};
  const script = `
    const real = Date;
    const now = () => real.now() + ${byMs};
    globalThis.Date = class Date extends real {
      constructor(...given) { super(...(given.length === 0 ? [now()] : given)); }
      static now() { return now(); }
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
