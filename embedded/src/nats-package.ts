import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runTask } from './child.js';
import type { SourceContext } from './nats-source.js';
import { isRoot } from './unprivileged-user.js';

/** Unpacked, not installed: installing would also start a server of its own on the default port. */
export async function unpackDistributionPackage({ target, env, say, stop, track }: SourceContext): Promise<void> {
  if (!existsSync('/etc/debian_version')) throw new Error('not a Debian-like system');
  const temporary = `${dirname(target)}.${randomBytes(4).toString('hex')}`;
  const run = (command: string, args: string[]) => runTask(command, args, { env, stop, track, cwd: temporary });
  say("nats-server: taking the distribution's package");
  try {
    mkdirSync(temporary, { recursive: true });
    // apt-get downloads as a user of its own
    chmodSync(temporary, 0o755);
    let download = await run('apt-get', ['download', 'nats-server']);
    if (download.code !== 0 && isRoot()) {
      await run('apt-get', ['update', '-qq']);
      download = await run('apt-get', ['download', 'nats-server']);
    }
    const file = readdirSync(temporary).find((name) => name.endsWith('.deb'));
    if (file === undefined) throw new Error(download.output.split('\n').at(-1) ?? 'apt-get download failed');
    const unpack = await run('dpkg-deb', ['-x', file, 'unpacked']);
    if (unpack.code !== 0) throw new Error(unpack.output);
    const binary = ['usr/sbin', 'usr/bin']
      .map((folder) => join(temporary, 'unpacked', folder, 'nats-server'))
      .find(existsSync);
    if (binary === undefined) throw new Error(`${file} holds no nats-server`);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(binary, target);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
