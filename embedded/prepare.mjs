// The entry of npm start, npm test and the others. On a fresh clone there is no node_modules and nothing is built yet:
// plain JavaScript and Node's own modules only, here and in prepare/.
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runChecks } from './prepare/checks.mjs';
import { prepareClone } from './prepare/prepare-clone.mjs';

const OLDEST_NODE = [20, 19];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [part = 'start', ...args] = process.argv.slice(2);

async function main() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    throw new Error(`Node ${OLDEST_NODE.join('.')} or later is needed, this is ${process.versions.node}.`);
  }
  if (!['start', 'dev', 'test', 'only'].includes(part)) {
    throw new Error(`prepare.mjs knows start, dev, test and only, not ${part}.`);
  }
  await prepareClone(root);
  if (part === 'test') process.exitCode = await runChecks(root, args);
  if (part === 'start' || part === 'dev') {
    // In this very process, so that a signal to npm start reaches the launcher without a detour.
    const start = join(root, 'embedded/dist/start.js');
    process.argv = [process.argv[0], start, ...(part === 'dev' ? ['--watch'] : []), ...args];
    await import(pathToFileURL(start).href);
  }
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode ?? 1;
});
