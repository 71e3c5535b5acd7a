import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ReplayedImage } from './replay-image.js';

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

/**
 * Starts a command as a container would: in the image's folder, with nothing but the given environment, and, where this
 * can be arranged, as the user of the image, who owns no file there and can change none.
 */
export function startIn(
  image: ReplayedImage,
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
  user: string | undefined,
): Running {
  if (program !== 'node') throw new Error(`${program} is not in the image`);
  const [uid, gid] = (user ?? '').split(':').map(Number);
  const child = spawn(process.execPath, args, {
    cwd: image.folder,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...image.environment, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-50_000);
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, output }));
  return { child, ended };
}
