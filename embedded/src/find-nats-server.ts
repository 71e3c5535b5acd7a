import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder } from './cache-folder.js';
import { type Track, trackNothing } from './child.js';
import { buildWithGo } from './nats-build.js';
import { downloadRelease } from './nats-download.js';
import { unpackDistributionPackage } from './nats-package.js';
import type { SourceContext } from './nats-source.js';
import { atLeast, GOOD_NATS, natsServerVersion, OLDEST_NATS, PINNED_NATS } from './nats-version.js';

export interface FoundNatsServer {
  path: string;
  version: string;
  /** where it came from, for the line that says so */
  source: 'NATS_SERVER' | 'PATH' | 'cache' | 'download' | 'go install' | 'distribution';
}

export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  say?: (line: string) => void;
  stop?: AbortSignal | undefined;
  track?: Track;
  /** where releases are downloaded from */
  releaseUrl?: string;
}

export async function findNatsServer(options: FindOptions = {}): Promise<FoundNatsServer> {
  const { env = process.env, say = () => {}, stop, track = trackNothing, releaseUrl } = options;
  if (env.NATS_SERVER) return givenServer(env.NATS_SERVER);
  const onPath = serverOnPath(env);
  if (onPath !== undefined && atLeast(onPath.version, GOOD_NATS)) return onPath;

  const cache = join(cacheFolder(env), 'nats-server');
  const target = join(cache, PINNED_NATS, 'nats-server');
  const cached = inspect(target, 'cache');
  if (cached !== undefined) return cached;

  const context = { env, say, stop, track };
  const failures: string[] = [];
  const attempt = async (
    source: FoundNatsServer['source'],
    file: string,
    make: (to: SourceContext) => Promise<void>,
  ) => {
    try {
      await make({ ...context, target: file });
      const made = inspect(file, source);
      if (made === undefined) throw new Error(`${file} does not run`);
      return made;
    } catch (error) {
      stop?.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(`${source}: ${reason}`);
      say(`nats-server: ${source} did not work: ${reason}`);
      return undefined;
    }
  };

  const pinned =
    (await attempt('download', target, (to) => downloadRelease(to, releaseUrl))) ??
    (await attempt('go install', target, buildWithGo));
  if (pinned !== undefined) return pinned;
  if (onPath !== undefined && atLeast(onPath.version, OLDEST_NATS)) return onPath;

  const packaged = join(cache, 'distribution', 'nats-server');
  const distribution =
    inspect(packaged, 'distribution') ?? (await attempt('distribution', packaged, unpackDistributionPackage));
  if (distribution !== undefined && atLeast(distribution.version, OLDEST_NATS)) return distribution;
  throw new Error(
    `There is no nats-server here and none could be had (${failures.join('; ')}): put one of version ${GOOD_NATS} or later on the PATH, name one in NATS_SERVER, or set NATS_URL.`,
  );
}

function givenServer(path: string): FoundNatsServer {
  const found = inspect(path, 'NATS_SERVER');
  if (found === undefined) throw new Error(`NATS_SERVER is ${path}, which is not a nats-server that runs here.`);
  if (atLeast(found.version, OLDEST_NATS)) return found;
  throw new Error(`NATS_SERVER is ${path}, version ${found.version}: ${OLDEST_NATS} is the oldest that works.`);
}

function serverOnPath(env: NodeJS.ProcessEnv): FoundNatsServer | undefined {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const found = folder === '' ? undefined : inspect(join(folder, 'nats-server'), 'PATH');
    if (found !== undefined) return found;
  }
  return undefined;
}

function inspect(path: string, source: FoundNatsServer['source']): FoundNatsServer | undefined {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return undefined;
  }
  const version = natsServerVersion(path);
  return version === undefined ? undefined : { path, version, source };
}
