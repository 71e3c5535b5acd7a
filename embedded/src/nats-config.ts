import { atLeast, GOOD_NATS } from './nats-version.js';

export interface NatsConfig {
  host: string;
  port: number;
  storeDir: string;
  logFile: string;
  version: string;
  maxFileBytes: number;
  syncInterval: string;
}

export function natsServerConfig(config: NatsConfig): string {
  const recent = atLeast(config.version, GOOD_NATS);
  const jetstream = [
    `store_dir: ${quote(config.storeDir)}`,
    'max_memory_store: 256MB',
    `max_file_store: ${config.maxFileBytes}`,
    // Older servers refuse a setting that they do not know.
    ...(recent ? [`sync_interval: ${quote(config.syncInterval)}`] : []),
  ];
  return [
    'server_name: eventsieve',
    `listen: ${quote(`${config.host}:${config.port}`)}`,
    'max_payload: 8MB',
    // It remembers who wants a subject. Here nearly each message has one of its own, to be asked about once.
    'disable_sublist_cache: true',
    `log_file: ${quote(config.logFile)}`,
    'logfile_size_limit: 4MB',
    ...(recent ? ['logfile_max_num: 2'] : []),
    'jetstream {',
    ...jetstream.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
