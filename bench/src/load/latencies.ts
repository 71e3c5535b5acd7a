export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Every one is kept: a run has some hundred thousand at most, and a percentile of all of them needs no estimate. */
export function createLatencies() {
  let values = new Float64Array(1 << 16);
  let count = 0;
  return {
    add(ms: number): void {
      if (count === values.length) {
        const larger = new Float64Array(count * 2);
        larger.set(values);
        values = larger;
      }
      values[count++] = ms;
    },
    percentiles(): Percentiles {
      const sorted = values.subarray(0, count).slice().sort();
      const at = (share: number) => sorted[Math.min(count - 1, Math.ceil(count * share) - 1)] ?? 0;
      return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
    },
  };
}
