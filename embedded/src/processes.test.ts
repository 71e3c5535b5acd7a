import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { findByCommand, goneWithin, identityOf, isRunning, signalProcess } from './processes.js';

async function sleeper(name: string) {
  const child = spawn('/bin/sh', ['-c', 'echo up; read _', name], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const identity = identityOf(child.pid as number);
  if (identity === undefined) throw new Error('not there');
  return { child, identity };
}

test('a signal reaches a process only while pid and start time are both its own', async () => {
  const { child, identity } = await sleeper('one');
  const stranger = { ...identity, startTime: `${identity.startTime}0` };
  expect(isRunning(stranger)).toBe(false);
  signalProcess(stranger, 'SIGKILL');
  expect(isRunning(identity)).toBe(true);
  signalProcess(identity, 'SIGTERM');
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGTERM');
  expect(await goneWithin([identity], 1_000)).toBe(true);
  expect(identityOf(identity.pid)).toBeUndefined();
});

test('waiting for a process that goes on ends with its budget', async () => {
  const { child, identity } = await sleeper('two');
  expect(await goneWithin([identity], 60)).toBe(false);
  child.kill('SIGKILL');
});

test('processes are found by their command', async () => {
  const name = `eventsieve-sleeper-${process.pid}`;
  const { child, identity } = await sleeper(name);
  expect(findByCommand((command) => command.endsWith(` ${name}`))).toEqual([identity]);
  child.kill('SIGKILL');
});
