import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface ComposeService {
  readonly image: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command?: readonly string[];
  /** null: passed through if the caller has it set. */
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly profiles?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly container_name?: string;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly restart?: string;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly network_mode?: string;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly stop_grace_period?: string;
  readonly logging?: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  readonly deploy?: { readonly resources: { readonly limits: Readonly<Record<string, string | number>> } };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export const composeText = readFileSync(`${root}docker-compose.yml`, 'utf8');

/** As it stands in the file, anchors and merges resolved, variables not. */
export const written: ComposeFile = parse(composeText, { merge: true });

export const samplePassword = 'p@ss/w:rd#%41';

/** As compose would see it for somebody who set only what must be set. */
export const compose: ComposeFile = interpolate(written, { POSTGRES_PASSWORD: samplePassword });

export const services = Object.entries(compose.services);

export function serviceOf(name: string): ComposeService {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return service;
}

/** What a container of this service finds in its environment. */
export function environmentOf(name: string): Record<string, string> {
  const set = Object.entries(serviceOf(name).environment ?? {});
  return Object.fromEntries(set.filter((entry): entry is [string, string] => entry[1] !== null));
}

/** `volume:/path`, `./file:/path:ro` */
export function mountsOf(service: ComposeService) {
  return (service.volumes ?? []).map((mount) => {
    const [source = '', target = '', mode = 'rw'] = mount.split(':');
    return { source, target, mode, isFile: source.startsWith('.') };
  });
}

/** `address:host:container` */
export function publishedPortsOf(service: ComposeService) {
  return (service.ports ?? []).map((port) => {
    const match = /^(.+):(\d+):(\d+)$/.exec(port);
    if (match === null) throw new Error(`${port} is not address:port:port`);
    return { address: match[1] as string, outside: Number(match[2]), inside: Number(match[3]) };
  });
}

function interpolate<T>(value: T, variables: Readonly<Record<string, string>>): T {
  if (typeof value === 'string') return replaceVariables(value, variables) as T;
  if (Array.isArray(value)) return value.map((item) => interpolate(item, variables)) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, variables)])) as T;
}

function replaceVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\$|\{(\w+)(?:(:[-?])([^}]*))?\})/g, (whole, name, operator, rest) => {
    if (whole === '$$') return '$';
    const value = variables[name];
    if (value !== undefined && value !== '') return value;
    if (operator === ':-') return rest;
    throw new Error(`${name} must be set: ${rest ?? 'it has no default'}`);
  });
}
