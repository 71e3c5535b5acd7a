import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFolderLock } from './folder-lock.mjs';
import { runCommand } from './run-command.mjs';

/** Packages installed from this very package-lock.json, and everything built. */
export async function prepareClone(root) {
  if (!isWritable(root)) return requirePrepared(root);
  await withFolderLock(root, async () => {
    if (!isInstalled(root)) await install(root);
    await build(root);
  });
}

async function install(root) {
  const started = Date.now();
  say('installing packages (npm ci)');
  // The npm that runs this script, if it was one; install scripts that the project does not need are denied by it.
  const npm = process.env.npm_execpath;
  const [command, first] = npm ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--include=dev', '--include=optional', '--prefer-offline', '--no-audit', '--no-fund'];
  const { code } = await runCommand(command, args, { cwd: root, show: true });
  if (code !== 0) throw new Error(`npm ci ended with exit code ${code}.`);
  writeFileSync(stampOf(root), hashOfLock(root));
  say(`packages are installed (${seconds(started)})`);
}

async function build(root) {
  const started = Date.now();
  const { code, output } = await runCommand(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b'], {
    cwd: root,
  });
  if (code !== 0) throw new Error(`${output}\nThe build (tsc -b) failed.`);
  say(`built (${seconds(started)})`);
}

function isInstalled(root) {
  try {
    return readFileSync(stampOf(root), 'utf8') === hashOfLock(root);
  } catch {
    return false;
  }
}

// Inside node_modules, so that npm ci takes it away together with what it stands for.
const stampOf = (root) => join(root, 'node_modules/.installed-from');
const hashOfLock = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');

function isWritable(root) {
  try {
    accessSync(root, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function requirePrepared(root) {
  if (isInstalled(root) && existsSync(join(root, 'embedded/dist/start.js'))) return;
  throw new Error(`${root} cannot be written to: run npm start there once as its owner, or clone it for this user.`);
}

const say = (line) => process.stdout.write(`${line}\n`);
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
