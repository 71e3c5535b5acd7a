export interface StopSignals {
  stopping: AbortSignal;
  /** asked again: an end now is worth more than an orderly one */
  hurry: AbortSignal;
}

// npm passes on the Ctrl-C that the terminal has already sent to the whole group: that is one wish, not two.
const SAME_WISH_MS = 700;
const PARENT_CHECK_MS = 1_000;

export function onStopSignals(say: (line: string) => void): StopSignals {
  const stopping = new AbortController();
  const hurry = new AbortController();
  let askedAt = 0;
  const ask = (why: string) => {
    const now = Date.now();
    if (!stopping.signal.aborted) {
      askedAt = now;
      say(`stopping (${why}); again to hurry`);
      stopping.abort(new Error('stopped'));
    } else if (now - askedAt > SAME_WISH_MS && !hurry.signal.aborted) {
      say(`stopping at once (${why})`);
      hurry.abort();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask(signal));

  // npm, or the shell that it runs a script in, may be ended in a way that it cannot pass on.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event !== undefined) {
    const check = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(check);
      ask('npm is gone');
    }, PARENT_CHECK_MS);
    check.unref();
  }
  return { stopping: stopping.signal, hurry: hurry.signal };
}
