/** What was sent between two flushes. */
export interface Era {
  unsettled: number;
  /** A flush waits for it, so nothing of it lingers. */
  flushed: boolean;
}

interface Waiting {
  readonly era: Era;
  readonly done: () => void;
}

/** Knows when all that was sent before a moment has its verdict, whatever is sent after it. */
export function createEras() {
  let present: Era = { unsettled: 0, flushed: false };
  let waiting: Waiting[] = [];
  return {
    present: () => present,
    settled(era: Era, events: number): void {
      era.unsettled -= events;
      if (era.unsettled > 0 || !era.flushed) return;
      for (const each of waiting.filter((one) => one.era === era)) each.done();
      waiting = waiting.filter((one) => one.era !== era);
    },
    /** Ends the present era; resolves when it and all before it are settled. */
    async end(): Promise<void> {
      const ended = present;
      present = { unsettled: 0, flushed: false };
      ended.flushed = true;
      const open = new Set(waiting.map(({ era }) => era));
      if (ended.unsettled > 0) open.add(ended);
      await Promise.all([...open].map((era) => new Promise<void>((done) => waiting.push({ era, done }))));
    },
  };
}
