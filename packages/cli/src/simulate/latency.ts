export interface Latencies {
  add(ms: number): void;
  meanMs(): number;
  /** Right to about one percent. */
  quantileMs(part: number): number;
}

const smallestMs = 0.01;
const growth = 1.02;

/** In buckets that grow by two percent: a run of any length takes the same memory. */
export function recordLatencies(): Latencies {
  const buckets: number[] = [];
  let count = 0;
  let sum = 0;
  return {
    add(ms) {
      const bucket = Math.max(0, Math.round(Math.log(ms / smallestMs) / Math.log(growth)));
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      count++;
      sum += ms;
    },
    meanMs: () => (count === 0 ? 0 : sum / count),
    quantileMs(part) {
      let left = Math.ceil(count * part);
      for (const [bucket, found] of buckets.entries()) {
        left -= found ?? 0;
        if (left <= 0 && count > 0) return smallestMs * growth ** bucket;
      }
      return 0;
    },
  };
}
