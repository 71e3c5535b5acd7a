import type { Round } from '../rounds/round.js';

export interface Patch {
  /** A built file. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The system with one of its rules left out. A suite that finds nothing in it proves nothing. */
export interface Control {
  readonly name: string;
  readonly about: string;
  readonly patches: readonly Patch[];
  /** Run on the new database. */
  readonly sql: readonly string[];
  readonly round: Round;
}
