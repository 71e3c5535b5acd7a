import { availableParallelism } from 'node:os';
import { usableMemory } from './usable-memory.js';

const mebibyte = 2 ** 20;
const leastMb = 512;
const mostMb = 6144;
// Some 25 days, as much as Go can hold.
const longestMs = 2 ** 31 - 1;

/**
 * What cost the broker more than its work did, and what whoever starts it can set otherwise. A fifth of its time under load
 * was collecting garbage: now it collects less often, up to a limit, which has to leave room beside the ids that the duplicate
 * window holds (millions, at full load). And a message goes through several goroutines; with a thread for each core, handing
 * it on wakes a core, while half of the cores leaves the others to what the broker works for. Go's watcher of its threads
 * sleeps for 20 µs at a time whenever there is something to do again after a moment of rest, which here is all the time, and
 * takes up to 30 % of the broker's time. One that is told to log a line about them, however seldom, backs off to 10 ms.
 */
export function natsEnvironment(
  given: NodeJS.ProcessEnv,
  cores = availableParallelism(),
  memory = usableMemory(),
): NodeJS.ProcessEnv {
  return {
    GOGC: '400',
    GOMEMLIMIT: `${Math.round(Math.min(mostMb, Math.max(leastMb, memory / 4 / mebibyte)))}MiB`,
    GOMAXPROCS: String(Math.max(1, Math.floor(cores / 2))),
    GODEBUG: `schedtrace=${longestMs}`,
    ...given,
  };
}
