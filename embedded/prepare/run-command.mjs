import { spawn } from 'node:child_process';

// npm passes on the Ctrl-C that the terminal has already sent to the whole group: the command gets it once.
const SAME_WISH_MS = 700;
const KILL_AFTER_MS = 8_000;

/** Asked to stop while the command ran. */
export class Stopped extends Error {
  exitCode = 130;
}

/**
 * Runs a command to its end. It has a process group of its own, so that a stop ends all of it, and in order.
 * Its output is shown as it comes (`show`), or kept and returned.
 */
export async function runCommand(command, args, { cwd, show = false, env = process.env }) {
  const output = show ? 'inherit' : 'pipe';
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', output, output], detached: true });
  let kept = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => (kept += text));

  let stopped;
  let askedAt = 0;
  let timer;
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const pass = (signal) => {
    if (Date.now() - askedAt < SAME_WISH_MS) return;
    askedAt = Date.now();
    stopped = signal;
    kill(child.pid, signal);
    timer ??= setTimeout(() => kill(child.pid, 'SIGKILL'), KILL_AFTER_MS);
  };
  for (const signal of signals) process.on(signal, pass);
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      kept += error.message;
      resolve(127);
    });
    child.once('close', (exitCode) => resolve(exitCode ?? 1));
  });
  for (const signal of signals) process.off(signal, pass);
  clearTimeout(timer);
  if (stopped !== undefined) throw new Stopped(`stopped (${stopped})`);
  return { code, output: kept.trim() };
}

function kill(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // ended meanwhile
  }
}
