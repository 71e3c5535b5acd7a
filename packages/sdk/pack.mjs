// Makes the tarball of @eventsieve/client: the client's sources together with those of the contract that they use, compiled
// once for import and once for require. Within the workspace the contract is a package of its own, which no registry has.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const require = createRequire(import.meta.url);
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const contract = join(root, 'packages/contract');
const contractImport = /(from '|import\(')@eventsieve\/contract\/([^']+)'/g;
const relativeImport = /from ["'](\.[^"']+)\.js["']/g;

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

function writeSources(folder) {
  const wanted = new Set();
  const own = readdirSync(join(here, 'src'), { recursive: true }).map((path) => path.split(sep).join('/'));
  for (const path of own.filter((each) => each.endsWith('.ts') && !each.endsWith('.test.ts'))) {
    const text = readFileSync(join(here, 'src', path), 'utf8').replace(contractImport, (_, before, name) => {
      wanted.add(`${name}.ts`);
      const target = relative(dirname(path), `contract/${name}.js`).split(sep).join('/');
      return `${before}${target.startsWith('.') ? target : `./${target}`}'`;
    });
    write(join(folder, path), text);
  }
  // What is added meanwhile is visited, too.
  for (const path of wanted) {
    const text = readFileSync(join(contract, 'src', path), 'utf8');
    for (const [, target] of text.matchAll(relativeImport)) wanted.add(posix.join(posix.dirname(path), `${target}.ts`));
    write(join(folder, 'contract', path), text);
  }
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Which kind of module a file becomes is said by the package.json nearest to it, here and where it is used. */
function compile(folder, kind, type) {
  writeJson(join(folder, 'src/package.json'), { type });
  const config = join(folder, `tsconfig.${kind}.json`);
  const compilerOptions = {
    ...{ rootDir: 'src', outDir: `dist/${kind}`, composite: false, sourceMap: false },
    verbatimModuleSyntax: type === 'module',
  };
  writeJson(config, { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['src'] });
  // What it finds goes to stderr: stdout is for the path of the tarball.
  execFileSync(process.execPath, [tsc, '-p', config], { stdio: ['ignore', 2, 2] });
  writeJson(join(folder, 'dist', kind, 'package.json'), { type });
}

function manifest() {
  const { name, version, description, license, dependencies } = readJson(join(here, 'package.json'));
  const { engines } = readJson(join(root, 'package.json'));
  const { '@eventsieve/contract': _, ...own } = {
    ...readJson(join(contract, 'package.json')).dependencies,
    ...dependencies,
  };
  // Here they are pinned; whoever installs the client may have newer ones, and one of each.
  const ranges = Object.entries(own).map(([each, pinned]) => [each, `^${pinned}`]);
  const entry = (kind) => ({ types: `./dist/${kind}/index.d.ts`, default: `./dist/${kind}/index.js` });
  return {
    ...{ name, version, description, license, engines, type: 'module', sideEffects: false },
    main: './dist/cjs/index.js',
    types: './dist/cjs/index.d.ts',
    exports: { '.': { import: entry('esm'), require: entry('cjs') }, './package.json': './package.json' },
    files: ['dist'],
    dependencies: Object.fromEntries(ranges),
  };
}

function pack(destination) {
  // Here, so that what is imported is found.
  const folder = mkdtempSync(join(here, '.package-'));
  try {
    writeSources(join(folder, 'src'));
    compile(folder, 'esm', 'module');
    compile(folder, 'cjs', 'commonjs');
    writeJson(join(folder, 'package.json'), manifest());
    cpSync(join(here, 'README.md'), join(folder, 'README.md'));
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    mkdirSync(destination, { recursive: true });
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const args = ['pack', folder, '--pack-destination', destination, '--json', '--ignore-scripts'];
    const told = execFileSync(npm, args, { shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'inherit'] });
    return join(destination, JSON.parse(told.toString())[0].filename);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  process.stdout.write(`${pack(resolve(process.argv[2] ?? '.'))}\n`);
} catch (error) {
  process.stderr.write(`The client was not packed: ${error.message}\n`);
  process.exitCode = 1;
}
