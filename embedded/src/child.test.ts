import { expect, test } from 'vitest';
import { runTask } from './child.js';

const task = (script: string) => runTask('/bin/sh', ['-c', script]);

test('what a task wrote last is kept, though it comes after its end', async () => {
  expect(await task('(sleep 0.2; echo why >&2) & exit 3')).toEqual({ code: 3, signal: null, output: 'why' });
});

test('what a task has left behind holds up nobody for long', async () => {
  const begunAt = Date.now();
  expect(await task('echo why; sleep 8 & exit 3')).toEqual({ code: 3, signal: null, output: 'why' });
  expect(Date.now() - begunAt).toBeLessThan(6_000);
});

test('a task that cannot be started says so', async () => {
  expect(await runTask('/no/such/command', [])).toMatchObject({ code: 127, output: expect.stringContaining('ENOENT') });
});
