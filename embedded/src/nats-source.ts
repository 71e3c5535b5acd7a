import type { Track } from './child.js';

/** What a source needs to put a server into the cache; it throws an Error with one sentence when it cannot. */
export interface SourceContext {
  /** the file to make, complete or not at all */
  target: string;
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
  stop: AbortSignal | undefined;
  track: Track;
}
