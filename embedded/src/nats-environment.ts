import { availableParallelism } from 'node:os';

/**
 * Two things that cost the broker more than its work did, and that whoever starts it can set otherwise. A fifth of its time
 * under load was collecting garbage: now it collects less often, up to a limit. And a message goes through several
 * goroutines; with a thread for each core, handing it on wakes a core, while half of the cores leaves the others to what
 * the broker works for.
 */
export function natsEnvironment(given: NodeJS.ProcessEnv, cores = availableParallelism()): NodeJS.ProcessEnv {
  return { GOGC: '400', GOMEMLIMIT: '1GiB', GOMAXPROCS: String(Math.max(1, Math.floor(cores / 2))), ...given };
}
