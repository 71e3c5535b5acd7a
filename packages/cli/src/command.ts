import type { Environment } from './environment.js';

/** What a command has of the world. */
export interface CommandContext {
  readonly environment: Environment;
  /** Results. */
  readonly say: (line: string) => void;
  /** What went wrong, one sentence. */
  readonly complain: (line: string) => void;
}

/** One file in commands/ each. */
export interface Command {
  readonly name: string;
  /** Half a line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Resolves with the exit code: 0 done, 1 something failed. */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

/** The caller asked for something that cannot be: one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
