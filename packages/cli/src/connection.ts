import { readFileSync } from 'node:fs';
import { type Client, type ClientOptions, createClient } from '@eventsieve/client';
import { type CommandContext, UsageError } from './command.js';
import type { Environment } from './environment.js';
import type { Flag } from './flag.js';
import { durationMs, type FlagReader, type Given, whole, wrong } from './flags.js';

/** What every command has that talks to a server. */
export const connectionFlags: readonly Flag[] = (
  [
    {
      name: 'gateway',
      value: 'host:port',
      variable: 'GATEWAY_URL',
      fallback: 'the host of --query, port GATEWAY_GRPC_PORT or 50051',
      meaning: 'where to publish',
    },
    {
      name: 'query',
      value: 'host:port',
      variable: 'QUERY_URL',
      fallback: 'the host of --gateway, port QUERY_GRPC_PORT or 50052',
      meaning: 'where to read',
    },
    { name: 'tls', kind: 'boolean', variable: 'EVENTSIEVE_TLS', meaning: 'encrypt; so does an address with https://' },
    { name: 'ca', value: 'file', variable: 'EVENTSIEVE_CA', meaning: 'PEM of who is trusted; switches on TLS' },
    { name: 'cert', value: 'file', variable: 'EVENTSIEVE_CERT', meaning: 'PEM to show of oneself, with --key' },
    { name: 'key', value: 'file', variable: 'EVENTSIEVE_KEY', meaning: 'PEM, with --cert' },
    {
      name: 'server-name',
      value: 'name',
      variable: 'EVENTSIEVE_SERVER_NAME',
      meaning: "the name in the server's certificate",
    },
    { name: 'api-key', value: 'key', variable: 'EVENTSIEVE_API_KEY', meaning: 'goes along as authorization: Bearer' },
    { name: 'header', kind: 'repeated', value: 'name: value', meaning: 'goes along too; may be given again' },
    {
      name: 'timeout',
      value: 'time',
      variable: 'EVENTSIEVE_TIMEOUT',
      fallback: '15s',
      meaning: 'what a call may take',
    },
  ] as const
).map((flag) => ({ ...flag, group: 'connection' }));

export const jsonFlag: Flag = { name: 'json', kind: 'boolean', meaning: 'JSON, for programs' };

export interface Addresses {
  readonly gateway: string;
  readonly query: string;
}

const usualTimeoutMs = 15_000;

export function readConnection(
  given: FlagReader,
  environment: Environment,
  timeoutMs = usualTimeoutMs,
): ClientOptions & Addresses {
  const key = given.given('api-key');
  const headers = given.all('header').map(readHeader);
  const tls = readTls(given);
  return {
    ...readAddresses(given.given('gateway'), given.given('query'), environment),
    timeoutMs: durationMs(given.given('timeout'), timeoutMs, 1, 86_400_000),
    ...(tls === undefined ? {} : { tls }),
    ...(key === undefined ? {} : { apiKey: key.value }),
    ...(headers.length === 0 ? {} : { metadata: Object.fromEntries(headers) }),
  };
}

/** Opens a client for as long as the work takes. */
export async function withClient<T>(
  given: FlagReader,
  { environment }: Pick<CommandContext, 'environment'>,
  work: (client: Client) => Promise<T>,
  timeoutMs = usualTimeoutMs,
): Promise<T> {
  const client = createClient(readConnection(given, environment, timeoutMs));
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

function readAddresses(gateway: Given | undefined, query: Given | undefined, environment: Environment): Addresses {
  for (const each of [gateway, query]) {
    if (each !== undefined && !address.test(each.value)) throw wrong(each, 'an address such as 127.0.0.1:50051');
  }
  const gatewayPort = portOf(environment, 'GATEWAY_GRPC_PORT', 50_051);
  const queryPort = portOf(environment, 'QUERY_GRPC_PORT', 50_052);
  return {
    gateway: gateway?.value ?? besides(query?.value ?? '127.0.0.1:0', gatewayPort),
    query: query?.value ?? besides(gateway?.value ?? '127.0.0.1:0', queryPort),
  };
}

const address = /^(?:(?:grpc|http)s?:\/\/)?(?:[^\s/:@]+|\[[\da-f:]+\]):\d{1,5}\/?$/i;

/** The same host, another port. */
function besides(other: string, port: number): string {
  return other.replace(/:\d+\/?$/, `:${port}`);
}

function portOf(environment: Environment, name: string, fallback: number): number {
  const value = environment[name]?.trim();
  return whole(value ? { name, value } : undefined, fallback, 1, 65_535);
}

function readTls(given: FlagReader) {
  const files = {
    ca: readFile(given.given('ca')),
    cert: readFile(given.given('cert')),
    key: readFile(given.given('key')),
  };
  const serverName = given.given('server-name')?.value;
  const options = Object.entries({ ...files, serverName }).filter(([, value]) => value !== undefined);
  if (options.length > 0) return Object.fromEntries(options);
  // Undefined, and not false: then the address says it.
  return given.isOn('tls') ? true : undefined;
}

function readFile(given: Given | undefined): Buffer | undefined {
  if (given === undefined) return undefined;
  try {
    return readFileSync(given.value);
  } catch (error) {
    throw new UsageError(`${given.name} is "${given.value}", which cannot be read: ${(error as Error).message}.`);
  }
}

function readHeader(given: Given): readonly [string, string] {
  const at = given.value.indexOf(':');
  if (at < 1) throw wrong(given, 'a name and a value, such as x-tenant: acme');
  return [given.value.slice(0, at).trim(), given.value.slice(at + 1).trim()];
}
