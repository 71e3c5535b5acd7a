/** Something that must not be. `check` names the invariant, I1 to I8, or what else was watched. */
export interface Finding {
  readonly check: string;
  readonly what: string;
}

const maxListed = 5;

/** One finding for a whole list of offenders. */
export function findingOf(check: string, what: string, offenders: readonly string[]): Finding[] {
  if (offenders.length === 0) return [];
  const more = offenders.length > maxListed ? `, and ${offenders.length - maxListed} more` : '';
  return [{ check, what: `${what}: ${offenders.slice(0, maxListed).join('; ')}${more}` }];
}
