import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { runTask, type Track } from './child.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import { canEnter, chownAll, isRoot, openForPassing, type User } from './unprivileged-user.js';

export const POSTGRES_USER = 'eventsieve';
export const POSTGRES_DATABASE = 'eventsieve';
const RELOCATED_DATA = '/var/lib/eventsieve';

export interface DataFolderOptions {
  dataDir: string;
  passwordFile: string;
  binaries: PostgresBinaries;
  user: User | undefined;
  say: (line: string) => void;
  stop: AbortSignal | undefined;
  track: Track | undefined;
}

export interface DataFolder {
  /** without symbolic links: what Postgres gets as -D */
  path: string;
  password: string;
}

/** Makes the data folder on the first start, and checks on every start that Postgres may use it. */
export async function prepareDataFolder(options: DataFolderOptions): Promise<DataFolder> {
  const { dataDir, passwordFile, user, say } = options;
  if (!existsSync(join(dataDir, 'PG_VERSION'))) await create(options);
  const path = realpathSync(dataDir);
  const { uid } = statSync(path);
  if (user === undefined) {
    if (uid !== process.getuid?.())
      throw new Error(`${path} belongs to user ${uid}: start as that user, or set DATA_DIR.`);
  } else {
    if (uid !== user.uid) chownAll(path, user);
    if (!canEnter(dirname(path), user)) openForPassing(dirname(path));
    if (!canEnter(path, user))
      throw new Error(`Postgres runs as user ${user.uid}, which cannot reach ${path}: set DATA_DIR to another folder.`);
  }
  checkMajorVersion(path, options.binaries.version);
  const password = readPassword(passwordFile);
  if (path !== dataDir && user !== undefined) say(`postgres: data in ${path}, since its user cannot reach ${dataDir}`);
  return { path, password };
}

async function create(options: DataFolderOptions): Promise<void> {
  const { dataDir, passwordFile, binaries, user, say } = options;
  const parent = dirname(dataDir);
  mkdirSync(parent, { recursive: true });
  say(`postgres: making a new database in ${dataDir}`);
  const target = user === undefined ? dataDir : reachableTarget(dataDir, user);
  // Only a finished folder gets the name, so that a start which was stopped half way leaves nothing that looks usable.
  const temporary = `${target}.new-${randomBytes(4).toString('hex')}`;
  const passwordForInit = `${temporary}.password`;
  const password = randomBytes(24).toString('hex');
  try {
    mkdirSync(temporary, { mode: 0o700 });
    writeFileSync(passwordForInit, password, { mode: 0o600 });
    if (user !== undefined) for (const path of [temporary, passwordForInit]) chownSync(path, user.uid, user.gid);
    await initialize(temporary, passwordForInit, binaries, options);
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    rmSync(dataDir, { recursive: true, force: true });
    renameSync(temporary, target);
    if (target !== dataDir) symlinkSync(target, dataDir);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(passwordForInit, { force: true });
  }
}

async function initialize(
  folder: string,
  passwordForInit: string,
  binaries: PostgresBinaries,
  options: DataFolderOptions,
) {
  const { user, stop, track } = options;
  const common = { ...user, cwd: '/', env: postgresEnvironment(), stop, track };
  // Sorted by bytes on every machine, and yet upper and lower case know more than ASCII.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const auth = ['--auth=scram-sha-256', `--username=${POSTGRES_USER}`, `--pwfile=${passwordForInit}`];
  const init = await runTask(binaries.initdb, [`--pgdata=${folder}`, ...locale, ...auth], common);
  if (init.code !== 0) throw new Error(`initdb failed: ${init.output}`);
  const input = `CREATE DATABASE ${POSTGRES_DATABASE};\n`;
  const made = await runTask(binaries.postgres, ['--single', '-D', folder, 'postgres'], { ...common, input });
  if (made.code !== 0 || /ERROR|FATAL/.test(made.output)) throw new Error(`create database failed: ${made.output}`);
}

/** A clone below a private folder (/root, say) keeps its data where the other user can get to, behind a symbolic link. */
function reachableTarget(dataDir: string, user: User): string {
  const parent = dirname(dataDir);
  if (!canEnter(parent, user)) openForPassing(parent);
  if (canEnter(parent, user) || !isRoot()) return dataDir;
  if (mkdirSync(RELOCATED_DATA, { recursive: true }) !== undefined) chmodSync(RELOCATED_DATA, 0o711);
  // A random name: whoever deletes DATA_DIR to begin anew must not get the old database back.
  return join(RELOCATED_DATA, `${basename(dataDir)}-${randomBytes(6).toString('hex')}`);
}

function checkMajorVersion(path: string, version: string): void {
  const existing = readFileSync(join(path, 'PG_VERSION'), 'utf8').trim();
  if (existing === version.split('.')[0]) return;
  throw new Error(`${path} was made by Postgres ${existing}, this is ${version}: set DATA_DIR to another folder.`);
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new Error(`The password of the embedded Postgres cannot be read from ${file}.`);
  }
}

/** Nothing of the caller's: PGDATA, PGOPTIONS or a locale that this machine lacks would change what starts. */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}
