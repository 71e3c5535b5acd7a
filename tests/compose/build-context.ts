import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { root } from './compose-file.js';

interface Rule {
  readonly matches: RegExp;
  readonly keeps: boolean;
}

const rules: readonly Rule[] = readFileSync(`${root}.dockerignore`, 'utf8')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => ({ matches: patternOf(line.replace(/^!/, '')), keeps: line.startsWith('!') }));

/** The last rule that matches a path, or a folder that it is in, decides. */
export function isIgnored(path: string): boolean {
  const parts = path.split('/');
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  const decisive = rules.filter(({ matches }) => prefixes.some((prefix) => matches.test(prefix))).at(-1);
  return decisive !== undefined && !decisive.keeps;
}

/** What a clone of the working tree would send to a build. */
export function buildContext(): string[] {
  return execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
    .toString()
    .split('\0')
    .filter((path) => path !== '' && existsSync(root + path) && !isIgnored(path));
}

function patternOf(pattern: string): RegExp {
  const parts = pattern.split('/').map((part) => {
    if (part === '**') return '(?:[^/]+/)*';
    return `${part.replace(/[.+^$()|{}]/g, '\\$&').replaceAll('*', '[^/]*')}/`;
  });
  return new RegExp(`^${parts.join('').replace(/\/$/, '')}$`);
}
