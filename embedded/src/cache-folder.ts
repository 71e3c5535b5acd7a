import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where tools are kept that were downloaded or built once. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.EVENTSIEVE_CACHE) return resolve(env.EVENTSIEVE_CACHE);
  return join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'eventsieve');
}
