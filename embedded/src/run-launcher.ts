import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '@eventsieve/runtime/environment';
import { launch } from './launch.js';
import { readLaunchSettings } from './launch-settings.js';
import type { Entries } from './start-parts.js';
import { onStopSignals } from './stop-signals.js';
import { watchBuilds } from './watch-builds.js';

const LATEST_END_MS = 9_700;

const help = `eventsieve: embedded Postgres and NATS, migrations, gateway, workers and query service in one go.

  npm start              until Ctrl-C; data stays in ./data
  npm run dev            the same, and what changes is built and started again

Settings are environment variables or lines of a .env file in the current folder; README.md has them all.
  DATA_DIR, DATABASE_URL, NATS_URL, BIND_HOST, HTTP_PORT, GATEWAY_GRPC_PORT, QUERY_GRPC_PORT, EMBEDDED_PG_PORT,
  EMBEDDED_NATS_PORT, WORKERS, NATS_SERVER, LOG_LEVEL, LOG_FORMAT, …`;

export interface RunOptions {
  root: string;
  entries: Entries;
  args: readonly string[];
}

/** The whole life of the process npm start; resolves with its exit code. */
export async function runLauncher({ root, entries, args }: RunOptions): Promise<number> {
  // A reader that goes away (a closed terminal, `| head`) must not keep the stop from being an orderly one.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const unknown = args.find((arg) => !['--help', '-h', '--version', '--watch'].includes(arg));
  if (unknown !== undefined) return complain(`${unknown} is not known here; --help says what is.`);
  if (args.includes('--help') || args.includes('-h')) return answer(help);
  if (args.includes('--version')) return answer(versionOf(root));

  const { stopping, hurry } = onStopSignals(say);
  // Every step has a budget of its own; this is for what nobody thought of. The guard ends what is left then.
  stopping.addEventListener('abort', () => setTimeout(() => process.exit(1), LATEST_END_MS).unref(), { once: true });
  try {
    await launch({
      settings: readLaunchSettings(readEnvironment()),
      entries,
      workingFolder: process.cwd(),
      say,
      stopping,
      hurry,
      onReady: ({ services, track }) => {
        if (args.includes('--watch')) watchBuilds({ root, services, track, say, stopping });
      },
    });
    return answer('eventsieve has stopped');
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
}

function versionOf(root: string): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function answer(text: string): number {
  say(text);
  return 0;
}

function complain(sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return 1;
}
