/** Which events are known to be stored, and who waits to know it. */
export interface KnownEvents {
  isKnown(event: number): boolean;
  learn(event: number): void;
  /** An answer came that does not say it. */
  doubt(event: number): void;
  /** Resolves once there is any answer about it, or once there will be none. */
  wait(event: number): Promise<void>;
  /** Nothing more will be learned. */
  giveUp(): void;
}

export function knownEvents(events: number): KnownEvents {
  const known = new Uint8Array(events);
  const doubted = new Set<number>();
  const waiting = new Map<number, (() => void)[]>();
  let givenUp = false;

  function wake(event: number): void {
    for (const goOn of waiting.get(event) ?? []) goOn();
    waiting.delete(event);
  }

  return {
    isKnown: (event) => known[event] === 1,
    learn(event) {
      known[event] = 1;
      doubted.delete(event);
      if (waiting.size > 0) wake(event);
    },
    doubt(event) {
      if (known[event] === 1) return;
      doubted.add(event);
      wake(event);
    },
    wait(event) {
      if (known[event] === 1 || doubted.has(event) || givenUp) return Promise.resolve();
      return new Promise((resolve) => waiting.set(event, [...(waiting.get(event) ?? []), resolve]));
    },
    giveUp() {
      givenUp = true;
      for (const event of [...waiting.keys()]) wake(event);
    },
  };
}
