export interface GhzCounts {
  readonly ok: number;
  /** Calls that ended in any other way. */
  readonly failed: number;
}

/** From `Status code distribution:` in what ghz prints; undefined when it is not there. */
export function readSummary(output: string): GhzCounts | undefined {
  const [, distribution] = /^Status code distribution:\n((?:\s+\[\w+\].*\n?)+)/m.exec(output) ?? [];
  if (distribution === undefined) return undefined;
  let ok = 0;
  let failed = 0;
  for (const [, status, count] of distribution.matchAll(/\[(\w+)\]\s+(\d+) responses/g)) {
    if (status === 'OK') ok += Number(count);
    else failed += Number(count);
  }
  return { ok, failed };
}
