import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '@eventsieve/embedded/cache-folder';
import { run } from './examples.js';

const pinnedGrpcurl = '1.9.4';
const module = `github.com/fullstorydev/grpcurl/cmd/grpcurl@v${pinnedGrpcurl}`;

/** The one on the PATH, else the pinned version, built once with the machine's Go into the cache; or why there is none. */
export async function findGrpcurl(): Promise<{ readonly path?: string; readonly missing?: string }> {
  const { code, stdout } = await run('sh', ['-c', 'command -v grpcurl']);
  if (code === 0) return { path: stdout.trim() };
  const target = join(cacheFolder(), 'grpcurl', pinnedGrpcurl, 'grpcurl');
  if (existsSync(target)) return { path: target };
  if ((await run('go', ['version'])).code !== 0) return { missing: 'there is neither grpcurl nor Go here' };

  mkdirSync(dirname(dirname(target)), { recursive: true });
  const temporary = mkdtempSync(`${dirname(target)}.`);
  try {
    const built = await run('go', ['install', module], { environment: { GOBIN: temporary }, timeoutMs: 400_000 });
    if (built.code !== 0) return { missing: `go install ${module}: ${built.stderr.trim().split('\n').at(-1)}` };
    // Whoever built it at the same time has built the same.
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(temporary, 'grpcurl'), target);
    return { path: target };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
