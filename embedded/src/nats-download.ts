import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runTask } from './child.js';
import type { SourceContext } from './nats-source.js';
import { PINNED_NATS } from './nats-version.js';

const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const CONNECT_MS = 4_000;
const DOWNLOAD_MS = 180_000;
const NOTICE_MS = 5_000;

/**
 * The archive must have the checksum that the release's own SHA256SUMS names: that finds a broken or a wrong file, not
 * a release that somebody replaced together with its sums.
 */
export async function downloadRelease(context: SourceContext, releases = RELEASES): Promise<void> {
  const { say, env, stop, track, target } = context;
  const folder = `nats-server-v${PINNED_NATS}-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const archive = `${folder}.tar.gz`;
  const base = `${releases}/v${PINNED_NATS}`;
  say(`nats-server: downloading ${PINNED_NATS} from ${new URL(releases).host}`);
  const sums = (await fetchBytes(`${base}/SHA256SUMS`, CONNECT_MS, context)).toString('utf8');
  const expected = checksumOf(sums, archive);
  if (expected === undefined) throw new Error(`the release has no ${archive}`);
  const bytes = await fetchBytes(`${base}/${archive}`, DOWNLOAD_MS, context);
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== expected) throw new Error(`${archive} has checksum ${actual} instead of ${expected}`);

  const temporary = `${dirname(target)}.${randomBytes(4).toString('hex')}`;
  try {
    mkdirSync(temporary, { recursive: true });
    writeFileSync(join(temporary, archive), bytes);
    const unpacked = await runTask('tar', ['-xzf', archive, `${folder}/nats-server`], {
      env,
      track,
      cwd: temporary,
      stop,
    });
    if (unpacked.code !== 0) throw new Error(`tar: ${unpacked.output}`);
    mkdirSync(dirname(target), { recursive: true });
    // Last, and in one step: two starts at once must never see half a file.
    renameSync(join(temporary, folder, 'nats-server'), target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

export function checksumOf(sums: string, file: string): string | undefined {
  for (const line of sums.split('\n')) {
    const [sum, name] = line.trim().split(/\s+\*?/);
    if (name === file && sum !== undefined && /^[0-9a-f]{64}$/.test(sum)) return sum;
  }
  return undefined;
}

async function fetchBytes(url: string, budgetMs: number, { stop, say }: SourceContext): Promise<Buffer> {
  const limit = AbortSignal.timeout(budgetMs);
  let response: Response;
  try {
    response = await fetch(url, { signal: stop === undefined ? limit : AbortSignal.any([limit, stop]) });
  } catch (error) {
    throw new Error(`${new URL(url).host} cannot be reached (${reasonOf(error)})`);
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  let noticeAt = Date.now() + NOTICE_MS;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (Date.now() < noticeAt) continue;
    say(`nats-server: ${(size / 1e6).toFixed(1)} MB`);
    noticeAt = Date.now() + NOTICE_MS;
  }
  return Buffer.concat(chunks);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : error.message;
}
