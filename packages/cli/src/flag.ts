export interface Flag {
  /** Without its dashes. */
  readonly name: string;
  /** `string` (default) takes a value, `repeated` takes one each time, `boolean` takes none. */
  readonly kind?: 'string' | 'boolean' | 'repeated';
  /** What is read where the flag is not given. */
  readonly variable?: string;
  /** What stands for its value in the help, such as `n`. */
  readonly value?: string;
  /** All that it may be. */
  readonly choices?: readonly string[];
  /** The default, in the help. */
  readonly fallback?: string;
  readonly meaning: string;
  /** Shown apart, since many commands have the same. */
  readonly group?: 'connection';
}

/** What is given without dashes. `many` takes all that is left. */
export interface Positional {
  readonly name: string;
  readonly meaning: string;
  /** All that it may be. */
  readonly choices?: readonly string[];
  readonly optional?: boolean;
  readonly many?: boolean;
}
