import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { System } from './system.js';
import { waitUntil } from './wait-until.js';

export const publishCommand = fileURLToPath(new URL('../../packages/cli/dist/main.js', import.meta.url));

/** `eventsieve publish` as it is shipped, in processes of their own, in a folder of its own. */
export function publishing(system: System) {
  const folder = mkdtempSync(join(tmpdir(), 'eventsieve-publish-'));

  function start(args: readonly string[]) {
    const elsewhere = args.includes('--target') || args.includes('--gateway');
    const target = elsewhere ? [] : ['--gateway', system.gatewayAddress];
    const child = spawn(process.execPath, [publishCommand, 'publish', ...args, ...target], {
      cwd: folder,
      env: { PATH: process.env.PATH },
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const ended = once(child, 'close').then(([code]) => ({
      code: code as number,
      // How far it is by now is only said on a slow machine.
      errors: errors.replace(/^.*: (?:\d+ %, )?\d+ events, \d+\/s.*\n/gm, ''),
      last: output.trimEnd().split('\n').at(-1),
    }));
    return { child, ended };
  }

  const storedOf = (topic: string) =>
    system.database.value<number>('select count(*)::int from event_keys where topic = $1', [topic]);

  return {
    folder,
    start,
    storedOf,
    write(name: string, content: string | Buffer): string {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    publish(args: readonly string[], input?: string | Buffer) {
      const { child, ended } = start(args);
      if (input !== undefined) child.stdin.end(input);
      return ended;
    },
    /** Interrupts it once so many events of a topic are stored. */
    async interruptAt(stored: number, topic: string, args: readonly string[]) {
      const { child, ended } = start(args);
      await waitUntil('it is under way', async () => (await storedOf(topic)) >= stored);
      child.kill('SIGINT');
      return ended;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type Publishing = ReturnType<typeof publishing>;

/** One line of a file. */
export function event(topic: string, n: number, payload = `{"n":${n}}`): string {
  return `{"topic":"${topic}","event_id":"${topic}-${n}","timestamp":"2024-05-01T12:00:00Z","source":"test","payload":${payload}}\n`;
}

export const events = (topic: string, count: number) =>
  Array.from({ length: count }, (_, n) => event(topic, n)).join('');

export const done = (counts: string) => ({ code: 0, errors: '', last: `done ${counts} rejected=0 errors=0` });

/** The line after which an interrupted run says it stopped. */
export const stoppedAfter = (errors: string) => Number(/^Interrupted, after line (\d+) of /m.exec(errors)?.[1]);
