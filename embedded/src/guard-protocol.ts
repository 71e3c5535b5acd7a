import type { TrackedKind } from './child.js';
import type { Identity } from './processes.js';

export type GuardMessage =
  | { type: 'watch'; kind: TrackedKind; identity: Identity }
  | { type: 'forget'; identity: Identity };
