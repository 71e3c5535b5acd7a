import { setMaxListeners } from 'node:events';

/** Calls `stop` when the signal fires, until what is given back is called. One signal may end any number of calls. */
export function onAbort(signal: AbortSignal | undefined, stop: () => void): () => void {
  if (signal === undefined) return () => undefined;
  // Node warns of more than ten listeners, as of a leak.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', stop, { once: true });
  return () => signal.removeEventListener('abort', stop);
}
