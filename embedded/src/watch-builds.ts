import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { endChild, type Track } from './child.js';
import type { Service } from './service.js';

export interface WatchOptions {
  root: string;
  services: readonly Service[];
  track: Track;
  say: (line: string) => void;
  stopping: AbortSignal;
}

const SETTLE_MS = 300;

/** Builds what changes, and starts again the services that are made of it. */
export function watchBuilds({ root, services, track, say, stopping }: WatchOptions): void {
  const compiler = spawn(join(root, 'node_modules/.bin/tsc'), ['-b', '-w', '--preserveWatchOutput'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  if (compiler.pid !== undefined) track('task', compiler.pid);
  compiler.on('error', (error) => say(`the compiler does not run: ${error.message}`));
  stopping.addEventListener('abort', () => void endChild(compiler, [{ signal: 'SIGTERM', budgetMs: 1_000 }], true), {
    once: true,
  });

  const folders: [string, (name: string) => boolean][] = [
    ['services/gateway', (name) => name === 'gateway'],
    ['services/dedup-worker', (name) => name.startsWith('worker-')],
    ['services/query', (name) => name === 'query'],
    ['packages/contract', () => true],
    ['packages/runtime', () => true],
    ['packages/store', () => true],
  ];
  const changed = new Set<Service>();
  let timer: NodeJS.Timeout | undefined;
  const reload = () => {
    for (const service of changed) service.reload();
    changed.clear();
  };
  for (const [folder, concerns] of folders) {
    const watcher = watch(join(root, folder, 'dist'), { recursive: true }, (_, file) => {
      if (!file?.endsWith('.js') || stopping.aborted) return;
      for (const service of services) if (concerns(service.name)) changed.add(service);
      clearTimeout(timer);
      timer = setTimeout(reload, SETTLE_MS);
    });
    watcher.on('error', () => {});
    stopping.addEventListener('abort', () => watcher.close(), { once: true });
  }
  say('watching for changes');
}
