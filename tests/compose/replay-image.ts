import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { buildContext } from './build-context.js';
import { root } from './compose-file.js';
import { copyOf, type Stage, type Step, settingOf, stages } from './dockerfile.js';

export interface ReplayedImage {
  /** What would be the working folder in a container. */
  readonly folder: string;
  /** What ENV sets. */
  readonly environment: Readonly<Record<string, string>>;
  remove(): void;
}

const run = promisify(execFile);

/**
 * Carries out a stage of the Dockerfile, and every stage it needs, without a container: FROM an image is an empty
 * folder, COPY copies, RUN runs in a shell of this machine.
 */
export async function replayImage(stage: Stage): Promise<ReplayedImage> {
  const home = mkdtempSync(join(tmpdir(), 'eventsieve-image-'));
  // As open as the folders of an image: the processes run as somebody else.
  chmodSync(home, 0o755);
  const image = { folder: '', environment: {}, remove: () => rmSync(home, { recursive: true, force: true }) };
  try {
    const done = new Map<string, string>();
    const tree = await replayStage(stage, home, done);
    return { ...image, folder: join(tree, settingOf(stage, 'WORKDIR') ?? '/'), environment: variablesOf(stage) };
  } catch (error) {
    image.remove();
    throw error;
  }
}

async function replayStage(stage: Stage, home: string, done: Map<string, string>): Promise<string> {
  const earlier = done.get(stage.name);
  if (earlier !== undefined) return earlier;
  const tree = join(home, stage.name);
  done.set(stage.name, tree);
  mkdirSync(tree);
  const parent = stages.find(({ name }) => name === stage.from);
  if (parent !== undefined) copy(await replayStage(parent, home, done), tree);
  let folder = join(tree, settingOf(stage, 'WORKDIR') ?? '/');
  for (const step of stage.steps) {
    if (step.instruction === 'WORKDIR') {
      folder = join(tree, step.text);
      mkdirSync(folder, { recursive: true });
    } else if (step.instruction === 'COPY') {
      const { from, sources, destination } = copyOf(step);
      const other = stages.find(({ name }) => name === from);
      if (from !== undefined && other === undefined) throw new Error(`COPY --from=${from}: there is no such stage`);
      const source = other === undefined ? undefined : await replayStage(other, home, done);
      for (const path of sources) copyInto(folder, destination, path, source);
    } else if (step.instruction === 'RUN') {
      await runStep(step, folder);
    } else if (!['ENV', 'USER'].includes(step.instruction)) {
      throw new Error(`nobody replays ${step.instruction}`);
    }
  }
  return tree;
}

function copyInto(folder: string, destination: string, path: string, tree: string | undefined): void {
  const target = join(folder, destination);
  if (tree !== undefined) {
    const source = join(tree, path);
    if (!existsSync(source)) throw new Error(`COPY ${path}: it is not in that stage`);
    copy(source, statSync(source).isFile() && destination.endsWith('/') ? join(target, basename(path)) : target);
    return;
  }
  const all = path === '.';
  const files = buildContext().filter((file) => all || file === path || file.startsWith(`${path}/`));
  if (files.length === 0) throw new Error(`COPY ${path}: it is not in the build context`);
  for (const file of files) {
    const within = all ? file : file === path ? basename(path) : file.slice(path.length + 1);
    mkdirSync(dirname(join(target, within)), { recursive: true });
    copy(root + file, join(target, within));
  }
}

function copy(source: string, target: string): void {
  cpSync(source, target, { recursive: true, verbatimSymlinks: true });
}

async function runStep({ text }: Step, cwd: string): Promise<void> {
  const command = text.replace(/^(--mount=\S+\s+)+/, '');
  // Nothing of the test run's own: NODE_ENV=test, or npm's variables when npm started it.
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, npm_config_prefer_offline: 'true' };
  await run('/bin/sh', ['-c', command], { cwd, env, maxBuffer: 64 * 1024 ** 2 }).catch((error) => {
    throw new Error(`RUN ${text}\n${error.stdout}\n${error.stderr}`);
  });
}

function variablesOf(stage: Stage): Record<string, string> {
  return Object.fromEntries(
    stage.steps
      .filter(({ instruction }) => instruction === 'ENV')
      .flatMap(({ text }) => text.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
  );
}
