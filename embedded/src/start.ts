import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readEnvironment } from '@eventsieve/runtime/environment';
import { launch } from './launch.js';
import { readLaunchSettings } from './launch-settings.js';
import { onStopSignals } from './stop-signals.js';
import { watchBuilds } from './watch-builds.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const LATEST_END_MS = 9_700;
const say = (line: string) => void process.stdout.write(`${line}\n`);

const help = `eventsieve: embedded Postgres and NATS, migrations, gateway, workers and query service in one go.

  npm start              until Ctrl-C; data stays in ./data
  npm run dev            the same, and what changes is built and started again

Settings are environment variables or lines of a .env file in the current folder; README.md has them all.
  DATA_DIR, DATABASE_URL, NATS_URL, BIND_HOST, HTTP_PORT, GATEWAY_GRPC_PORT, QUERY_GRPC_PORT, EMBEDDED_PG_PORT,
  EMBEDDED_NATS_PORT, WORKERS, NATS_SERVER, LOG_LEVEL, LOG_FORMAT, …`;

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => !['--help', '-h', '--version', '--watch'].includes(arg));
  if (unknown !== undefined) {
    process.stderr.write(`${unknown} is not known here; --help says what is.\n`);
    return 1;
  }
  if (args.includes('--help') || args.includes('-h')) {
    say(help);
    return 0;
  }
  if (args.includes('--version')) {
    say((JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }).version);
    return 0;
  }
  const { stopping, hurry } = onStopSignals(say);
  // Every step has a budget of its own; this is for what nobody thought of. The guard ends what is left then.
  stopping.addEventListener('abort', () => setTimeout(() => process.exit(1), LATEST_END_MS).unref(), { once: true });
  try {
    await launch({
      settings: readLaunchSettings(readEnvironment()),
      entries: {
        migrate: `${root}packages/store/dist/migrate-main.js`,
        gateway: `${root}services/gateway/dist/main.js`,
        worker: `${root}services/dedup-worker/dist/main.js`,
        query: `${root}services/query/dist/main.js`,
      },
      workingFolder: process.cwd(),
      say,
      stopping,
      hurry,
      onReady: ({ services, track }) => {
        if (args.includes('--watch')) watchBuilds({ root, services, track, say, stopping });
      },
    });
    say('eventsieve has stopped');
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

// A reader that goes away (a closed terminal, `| head`) must not keep the stop from being an orderly one.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
process.exitCode = await main(process.argv.slice(2));
process.exit();
