import type { Random } from '../random.js';
import type { World } from '../world/world.js';

/** What a fault gets: a world to break, and random numbers of its own. */
export interface FaultContext {
  readonly world: World;
  readonly random: Random;
  /** Resolves early when the round ends. */
  sleep(ms: number): Promise<void>;
  readonly ending: () => boolean;
  /** Runs `work` while nobody publishes, every call is answered and everything that was sent is stored. */
  whileQuiet(work: () => Promise<void>): Promise<void>;
  /** Messages put into the stream that can never be stored. */
  poisoned(count: number): void;
  /** A promise of the system that a fault saw broken. */
  find(what: string): void;
}

/** Breaks one thing, and mends it before it resolves. */
export interface Fault {
  readonly kind: string;
  /** What nobody else may break at the same time. */
  readonly target: (context: FaultContext) => string;
  run(context: FaultContext, target: string): Promise<void>;
}
