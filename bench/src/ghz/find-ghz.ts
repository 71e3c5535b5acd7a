import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '@eventsieve/embedded/cache-folder';
import { runTask, type Track } from '@eventsieve/embedded/child';

const pinnedGhz = '0.121.0';
const module = `github.com/bojand/ghz/cmd/ghz@v${pinnedGhz}`;

export interface FindGhzContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  readonly stopping: AbortSignal;
  readonly track: Track;
}

/** The one on the PATH, else the pinned version, built once with the machine's Go into the cache. */
export async function findGhz({ environment, say, stopping, track }: FindGhzContext): Promise<string> {
  const task = { env: environment, stop: stopping, track };
  const onPath = await runTask('ghz', ['--version'], task);
  if (onPath.code === 0) {
    say(`ghz ${onPath.output} from the PATH`);
    return 'ghz';
  }
  const target = join(cacheFolder(environment), 'ghz', pinnedGhz, 'ghz');
  if (existsSync(target)) {
    say(`ghz ${pinnedGhz} at ${target}`);
    return target;
  }

  const go = await runTask('go', ['version'], task);
  if (go.code !== 0) {
    throw new Error(`There is neither ghz nor Go here: put a ghz on the PATH (https://ghz.sh/docs/install), or a Go.`);
  }
  say(`building ghz ${pinnedGhz} with ${go.output.replace(/^go version /, '')}, once; it takes a minute or two`);
  const temporary = `${dirname(target)}.${randomBytes(4).toString('hex')}`;
  try {
    mkdirSync(temporary, { recursive: true });
    const built = await runTask('go', ['install', module], { ...task, env: { ...environment, GOBIN: temporary } });
    if (built.code !== 0) throw new Error(`${built.output}\ngo install ${module} ended with exit code ${built.code}.`);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(temporary, 'ghz'), target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return target;
}
