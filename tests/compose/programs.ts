import { readFileSync } from 'node:fs';
import { simulateFlags } from '@eventsieve/cli/simulate/options';
import type { Environment } from '@eventsieve/runtime/environment';
import { readConfig as readWorkerConfig } from '../../services/dedup-worker/src/config.js';
import { readConfig as readGatewayConfig } from '../../services/gateway/src/config.js';
import { readConfig as readQueryConfig } from '../../services/query/src/config.js';
import { environmentOf, root } from './compose-file.js';

/** A program of ours, by the name of its compose service. */
export interface Program {
  readonly service: string;
  /** Every variable that it reads. */
  readonly reads: ReadonlySet<string>;
  /** What it listens on with the environment of the compose file: all doors, and the port that probes ask. */
  readonly doors: readonly number[];
  readonly probePort: number | undefined;
}

// node-postgres takes the password from there when the URL has none.
const libpq = ['PGPASSWORD'];

const everyService = [
  ...namesIn('packages/runtime/src/lifecycle.ts', /settings\.\w+\('([A-Z_]+)'/g),
  ...namesIn('packages/runtime/src/logger.ts', /settings\.\w+\('([A-Z_]+)'/g),
];

const gateway = readingOf(readGatewayConfig, environmentOf('gateway'));
const worker = readingOf(readWorkerConfig, environmentOf('dedup-worker'));
const query = readingOf(readQueryConfig, environmentOf('query'));

export const programs: readonly Program[] = [
  {
    service: 'migrate',
    reads: new Set([...namesIn('packages/store/src/migrate-main.ts', /process\.env\.([A-Z_]+)/g), ...libpq]),
    doors: [],
    probePort: undefined,
  },
  {
    service: 'gateway',
    reads: new Set([...gateway.names, ...everyService]),
    doors: [gateway.config.grpcPort],
    probePort: gateway.config.metricsPort,
  },
  {
    service: 'dedup-worker',
    reads: new Set([...worker.names, ...everyService, ...libpq]),
    doors: [],
    probePort: worker.config.metricsPort,
  },
  {
    service: 'query',
    reads: new Set([...query.names, ...everyService, ...libpq]),
    doors: [query.config.grpcPort, query.config.httpPort],
    probePort: query.config.httpPort,
  },
  {
    service: 'demo',
    reads: new Set(simulateFlags.flatMap(({ variable }) => variable ?? [])),
    doors: [],
    probePort: undefined,
  },
];

function readingOf<T>(read: (environment: Environment) => T, environment: Record<string, string>) {
  const names = new Set<string>();
  const watched = new Proxy(environment, {
    get(target, name) {
      if (typeof name === 'string') names.add(name);
      return Reflect.get(target, name);
    },
  });
  return { config: read(watched), names };
}

function namesIn(path: string, pattern: RegExp): string[] {
  const names = [...readFileSync(root + path, 'utf8').matchAll(pattern)].map((match) => match[1] ?? '');
  if (names.length === 0) throw new Error(`no variable was found in ${path}`);
  return names;
}
