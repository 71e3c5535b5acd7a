import type { Environment } from './environment.js';
import type { Flag, Positional } from './flag.js';
import type { Output } from './output/output.js';

/** What a command has of the world. */
export interface CommandContext extends Output {
  readonly environment: Environment;
  /**
   * Fires with an Interruption at the first Ctrl-C or SIGTERM; the second ends the process at once, and so does the first
   * of a command that never looks at this.
   */
  readonly interrupted: AbortSignal;
}

/** One file in commands/ each. */
export interface Command {
  readonly name: string;
  /** Half a line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** For the completion of shells, as are those below. */
  readonly flags?: readonly Flag[];
  readonly positionals?: readonly Positional[];
  /** Words that may follow, such as `list`. */
  readonly commands?: readonly Command[];
  /** Resolves with one of exitCodes. */
  run(args: readonly string[], context: CommandContext): Promise<number>;
}

/** The caller asked for something that cannot be: one sentence, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Somebody wants the command to end. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`ended by ${signal}`);
    this.exitCode = signal === 'SIGINT' ? 130 : 143;
  }
}
