import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runTask } from './child.js';
import type { SourceContext } from './nats-source.js';
import { PINNED_NATS } from './nats-version.js';

const MODULE = `github.com/nats-io/nats-server/v2@v${PINNED_NATS}`;
const NOTICE_MS = 10_000;

/** Through the machine's own Go settings (proxy, checksum database, toolchain), so what it trusts is what is used. */
export async function buildWithGo({ target, env, say, stop, track }: SourceContext): Promise<void> {
  const version = await runTask('go', ['version'], { env, stop, track });
  if (version.code !== 0) throw new Error('there is no Go here');
  say(`nats-server: building ${PINNED_NATS} with ${version.output.replace(/^go version /, '')}, once`);
  const temporary = `${dirname(target)}.${randomBytes(4).toString('hex')}`;
  const started = Date.now();
  const notice = setInterval(() => {
    say(`nats-server: still building (${Math.round((Date.now() - started) / 1000)} s)`);
  }, NOTICE_MS);
  try {
    mkdirSync(temporary, { recursive: true });
    const built = await runTask('go', ['install', MODULE], { env: { ...env, GOBIN: temporary }, stop, track });
    if (built.code !== 0) throw new Error(built.output.split('\n').at(-1) || `go install ended with ${built.code}`);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(temporary, 'nats-server'), target);
  } finally {
    clearInterval(notice);
    rmSync(temporary, { recursive: true, force: true });
  }
}
