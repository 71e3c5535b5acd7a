import { join } from 'node:path';
import type { LaunchSettings } from './launch-settings.js';
import type { Nats } from './nats-server.js';
import type { Postgres } from './postgres.js';
import type { Service } from './service.js';
import type { Ports } from './service-environment.js';

export interface ReadyFacts {
  settings: LaunchSettings;
  ports: Ports;
  postgres: Postgres | undefined;
  nats: Nats | undefined;
  natsSource: string | undefined;
  services: readonly Service[];
  /** Parts that could not be found yet, as /health names them. */
  missing: readonly string[];
}

export function readyLines({ settings, ports, postgres, nats, natsSource, services, missing }: ReadyFacts): string[] {
  const { bindHost, dataDir } = settings;
  const host = bindHost === '0.0.0.0' || bindHost === '::' ? '127.0.0.1' : bindHost;
  const at = (port: number) => `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const metrics = services.flatMap(({ name, addresses }) =>
    addresses.metrics ? [`${name} ${addresses.metrics}`] : [],
  );
  const password = `password in ${join(dataDir, 'postgres.password')}`;
  return [
    'eventsieve is ready',
    `  HTTP      http://${at(ports.http)}  (docs: http://${at(ports.http)}/docs)`,
    `  gRPC      publish ${at(ports.gatewayGrpc)}, query ${at(ports.queryGrpc)}`,
    ...(metrics.length > 0 ? [`  metrics   ${metrics.join(', ')}`] : []),
    postgres
      ? `  Postgres  ${postgres.version} at ${postgres.host}:${postgres.port}, ${password}`
      : '  Postgres  yours, from DATABASE_URL',
    nats
      ? `  NATS      nats-server ${nats.version} at ${nats.host}:${nats.port}, ${nats.binary} (${natsSource})`
      : '  NATS      yours, from NATS_URL',
    ...(missing.length > 0 ? [`  missing   ${missing.join(', ')}: http://${at(ports.http)}/health says when`] : []),
    `  data      ${dataDir}`,
    '  stop      Ctrl-C',
  ];
}
