// Writes src/gen from the .proto files: TypeScript by ts-proto, and the file descriptors that reflection serves.
// With --check it writes to a scratch folder instead and fails when the committed files differ.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const require = createRequire(import.meta.url);
const buf = join(dirname(require.resolve('@bufbuild/buf/package.json')), 'bin/buf');
const tsProto = join(dirname(require.resolve('ts-proto/package.json')), 'protoc-gen-ts_proto');

const check = process.argv.includes('--check');
const committed = join(here, 'src/gen');
const out = check ? mkdtempSync(join(tmpdir(), 'eventsieve-gen-')) : committed;

const options = [
  'env=both',
  'esModuleInterop=true',
  'forceLong=bigint',
  'importSuffix=.js',
  'outputJsonMethods=false',
  'outputServices=grpc-js',
  'outputTypeRegistry=false',
  'useDate=false',
  'useExactTypes=false',
];

function runBuf(args) {
  execFileSync(process.execPath, [buf, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

try {
  if (!check) rmSync(out, { recursive: true, force: true });
  const template = {
    version: 'v2',
    plugins: [{ local: ['node', tsProto], out, opt: options, include_imports: true, strategy: 'all' }],
  };
  runBuf(['generate', '--template', JSON.stringify(template)]);
  const image = join(mkdtempSync(join(tmpdir(), 'eventsieve-image-')), 'descriptors.binpb');
  runBuf(['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', image]);
  const descriptors = readFileSync(image).toString('base64');
  rmSync(dirname(image), { recursive: true, force: true });
  writeFileSync(
    join(out, 'descriptors.ts'),
    `// Written by generate.mjs: the FileDescriptorSet of every .proto file, for server reflection.\nexport const fileDescriptorSetBase64 =\n  '${descriptors}';\n`,
  );

  if (check) {
    const differing = [...new Set([...filesBelow(out), ...filesBelow(committed)])].filter((file) => {
      try {
        return !readFileSync(join(out, file)).equals(readFileSync(join(committed, file)));
      } catch {
        return true;
      }
    });
    if (differing.length > 0) {
      console.error(`Generated code is not current: ${differing.join(', ')}. Run "npm run generate" and commit.`);
      process.exitCode = 1;
    }
  }
} finally {
  if (check) rmSync(out, { recursive: true, force: true });
}
