import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Control } from './control.js';

const kinds = ['gateway', 'dedup-worker', 'query'] as const;

/**
 * Copies the services' builds, changes what the control says, and returns where they are: below node_modules, so that
 * they find the packages that they import. Nothing that is shipped has a switch for this.
 */
export function breakBuild(root: string, { name, patches }: Control): string {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const build = mkdtempSync(join(cache, `control-${name}-`));
  for (const kind of kinds) {
    const from = join(root, 'services', kind);
    const to = join(build, 'services', kind);
    mkdirSync(to, { recursive: true });
    cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true });
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
  }
  for (const { file, from, to } of patches) {
    const path = join(build, file);
    const text = readFileSync(path, 'utf8');
    if (text.split(from).length !== 2)
      throw new Error(`${file} holds "${from}" not once: the control ${name} is stale`);
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
  return build;
}
