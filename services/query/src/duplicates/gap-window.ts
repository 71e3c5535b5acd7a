import type { GapBucket, GapWindow } from '@eventsieve/contract/gen/eventsieve/v1/query';

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** What people set a window to, up to the longest that DEDUP_WINDOW takes. */
const usual: readonly (readonly [amount: number, unit: keyof typeof units])[] = [
  [500, 'ms'],
  [1, 's'],
  [2, 's'],
  [5, 's'],
  [10, 's'],
  [30, 's'],
  [1, 'm'],
  [2, 'm'],
  [5, 'm'],
  [10, 'm'],
  [30, 'm'],
  [1, 'h'],
  [2, 'h'],
  [6, 'h'],
  [12, 'h'],
  [1, 'd'],
  [2, 'd'],
  [7, 'd'],
  [30, 'd'],
  [90, 'd'],
  [365, 'd'],
];

const wanted = 99n;

/**
 * The shortest usual duration within which 99 of 100 came. Of a bucket that it ends in nobody knows how many came before:
 * none of them counts, so `covered` is never too much.
 */
export function suggestWindow(gaps: readonly GapBucket[]): GapWindow | undefined {
  const all = gaps.reduce((sum, { duplicates }) => sum + duplicates, 0n);
  if (all === 0n) return undefined;
  const within = (ms: number) =>
    gaps.reduce((sum, { upToMs, duplicates }) => (upToMs <= ms ? sum + duplicates : sum), 0n);
  const durations = usual.map(([amount, unit]) => amount * units[unit]);
  const suggestedMs = durations.find((ms) => within(ms) * 100n >= all * wanted) ?? (durations.at(-1) as number);
  return { suggestedMs: BigInt(suggestedMs), covered: Number(within(suggestedMs)) / Number(all) };
}

/** As DEDUP_WINDOW takes it: "2m". */
export function windowText({ suggestedMs }: GapWindow): string {
  const [amount, unit] = usual.find(([amount, unit]) => BigInt(amount * units[unit]) === suggestedMs) ?? [
    suggestedMs,
    'ms',
  ];
  return `${amount}${unit}`;
}
