// Makes the tarball of the eventsieve command: what was built, and the client's own tarball within it, since no registry
// has that one. Run npm run pack:cli, which builds first.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const client = '@eventsieve/client';

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const run = (command, args, cwd = root) =>
  execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] }).toString();

function addClient(folder) {
  const tarball = run(process.execPath, [join(root, 'packages/sdk/pack.mjs'), folder]).trim();
  const target = join(folder, 'node_modules', client);
  mkdirSync(target, { recursive: true });
  // By its name alone: some tars take what stands before a colon for a host.
  run(
    'tar',
    ['-xzf', tarball.split(/[\\/]/).at(-1), '--strip-components', '1', '-C', `node_modules/${client}`],
    folder,
  );
  rmSync(tarball);
  return readJson(join(target, 'package.json'));
}

function manifest({ version, engines, license, dependencies }) {
  const { description } = readJson(join(here, 'package.json'));
  return {
    ...{ name: 'eventsieve', version, description, license, engines, type: 'module' },
    bin: { eventsieve: 'bin/eventsieve.js' },
    files: ['bin', 'dist'],
    // The client's own are named here, too: what is bundled is taken as it is.
    dependencies: { [client]: version, ...dependencies },
    bundleDependencies: [client],
  };
}

function pack(destination) {
  const folder = mkdtempSync(join(here, '.package-'));
  try {
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(addClient(folder)), null, 2)}\n`);
    const isShipped = (path) => !/\.(test\.js|d\.ts|map|tsbuildinfo)$/.test(path);
    cpSync(join(here, 'dist'), join(folder, 'dist'), { recursive: true, filter: isShipped });
    cpSync(join(here, 'bin'), join(folder, 'bin'), { recursive: true });
    cpSync(join(here, 'README.md'), join(folder, 'README.md'));
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    mkdirSync(destination, { recursive: true });
    const args = ['pack', folder, '--pack-destination', destination, '--json', '--ignore-scripts'];
    const isWindows = process.platform === 'win32';
    const told = execFileSync(isWindows ? 'npm.cmd' : 'npm', args, {
      shell: isWindows,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return join(destination, JSON.parse(told.toString())[0].filename);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.stdout.write(`${pack(resolve(process.argv[2] ?? '.'))}\n`);
