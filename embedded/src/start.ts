import { fileURLToPath } from 'node:url';
import { runLauncher } from './run-launcher.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

const code = await runLauncher({
  root,
  entries: {
    migrate: `${root}packages/store/dist/migrate-main.js`,
    gateway: `${root}services/gateway/dist/main.js`,
    worker: `${root}services/dedup-worker/dist/main.js`,
    query: `${root}services/query/dist/main.js`,
  },
  args: process.argv.slice(2),
});
// Not only set: a handle that somebody forgot must not keep a stopped launcher.
process.exit(code);
