import type { Outcome } from '@eventsieve/client';

/** What became of the records of a run. */
export interface Tally {
  /** Records that the server took: all with a verdict but the rejected ones. */
  published: number;
  stored: number;
  /** Taken, and not known whether they repeat anything. */
  accepted: number;
  /** Conflicts are counted in. */
  duplicates: number;
  conflicts: number;
  deadLettered: number;
  /** At fault themselves: unreadable, or refused. */
  rejected: number;
  /** Not known to have arrived. */
  errors: number;
}

export function newTally(): Tally {
  return {
    published: 0,
    stored: 0,
    accepted: 0,
    duplicates: 0,
    conflicts: 0,
    deadLettered: 0,
    rejected: 0,
    errors: 0,
  };
}

export function countOutcome(tally: Tally, outcome: Outcome): void {
  if (outcome === 'rejected') {
    tally.rejected++;
    return;
  }
  tally.published++;
  if (outcome === 'stored') tally.stored++;
  else if (outcome === 'accepted') tally.accepted++;
  else if (outcome === 'dead_lettered') tally.deadLettered++;
  else tally.duplicates++;
  if (outcome === 'conflict') tally.conflicts++;
}

export function isClean({ conflicts, deadLettered, rejected, errors }: Tally): boolean {
  return conflicts + deadLettered + rejected + errors === 0;
}

export function doneLine(tally: Tally): string {
  const { published, stored, accepted, duplicates, conflicts, deadLettered, rejected, errors } = tally;
  const late = accepted > 0 ? ` accepted=${accepted}` : '';
  const dead = deadLettered > 0 ? ` dead_lettered=${deadLettered}` : '';
  return `done published=${published} stored=${stored}${late} duplicates=${duplicates} conflicts=${conflicts}${dead} rejected=${rejected} errors=${errors}`;
}
