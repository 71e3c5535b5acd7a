/** Places for what may take long, so that it never takes all there is. */
export interface Slots {
  /** Waits for one, in turn; false when the time (by performance.now()) was up before. */
  take(untilMs: number): Promise<boolean>;
  give(): void;
}

export function slotsOf(count: number): Slots {
  let free = Math.max(1, count);
  const waiting = new Set<() => void>();

  return {
    async take(untilMs) {
      if (free > 0) {
        free--;
        return true;
      }
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          waiting.delete(called);
          resolve(false);
        }, untilMs - performance.now());
        const called = () => {
          waiting.delete(called);
          clearTimeout(timer);
          resolve(true);
        };
        waiting.add(called);
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) free++;
      else next();
    },
  };
}
