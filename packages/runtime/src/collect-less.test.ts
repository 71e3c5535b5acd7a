import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

// V8 promises none of its flags, and says nothing when one that is set while it runs has gone.
it('V8 knows the flag that is set', () => {
  const source = readFileSync(new URL('./collect-less.ts', import.meta.url), 'utf8');
  const [, flag] = /setFlagsFromString\('(--[a-z-]+)=/.exec(source) ?? [];
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
  expect(known).toMatch(new RegExp(`^  ${flag} `, 'm'));
});
