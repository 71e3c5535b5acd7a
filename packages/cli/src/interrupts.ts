import { Interruption } from './command.js';

/** Listens from the first time on that somebody asks for the signal. */
export function interrupts(): () => AbortSignal {
  let controller: AbortController | undefined;
  return () => {
    if (controller !== undefined) return controller.signal;
    const own = new AbortController();
    controller = own;
    const end = (name: 'SIGINT' | 'SIGTERM') => {
      const reason = new Interruption(name);
      if (own.signal.aborted) process.exit(reason.exitCode);
      own.abort(reason);
    };
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
    return own.signal;
  };
}
