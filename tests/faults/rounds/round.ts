import type { Finding } from '../checks/finding.js';
import type { FaultPlan } from '../faults/run-faults.js';
import type { LoadPlan } from '../load/publishers.js';
import type { WorldOptions } from '../world/world.js';

/** One world, one load, one kind of trouble. */
export interface Round {
  readonly name: string;
  readonly about: string;
  readonly world?: Partial<Pick<WorldOptions, 'gateways' | 'workers' | 'environment' | 'clocksMs'>>;
  readonly load?: Partial<LoadPlan>;
  readonly faults: FaultPlan;
  /** An older broker store that was put back brings messages that look like new copies until they are recognised. */
  readonly receivedMayFall?: boolean;
  /** Its share of a run's time. */
  readonly weight?: number;
}

export interface RoundReport {
  readonly name: string;
  readonly seconds: number;
  readonly attempted: number;
  readonly answered: number;
  readonly ids: number;
  readonly retries: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly lookups: { readonly answered: number; readonly neverSeen: number };
  readonly countReadings: number;
  /** Events that each follower was given, and how often it had to go on by a new connection. */
  readonly followed: Readonly<Record<string, { readonly events: number; readonly resumed: number }>>;
  readonly drainMs: number;
  readonly peakMib: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly findings: readonly Finding[];
}
