// The real launcher around stub services: what it does with them must not depend on what they do.
import { fileURLToPath } from 'node:url';
import { runLauncher } from '../../embedded/dist/run-launcher.js';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const service = here('./stub-service.mjs');
const code = await runLauncher({
  root: here('../../'),
  entries: {
    migrate: here('./stub-migrate.mjs'),
    gateway: process.env.STUB_GATEWAY ? here(process.env.STUB_GATEWAY) : service,
    worker: service,
    query: service,
  },
  args: process.argv.slice(2),
});
process.exit(code);
