/** Lets one wait for what many may tell it. What was told while it did not wait is not lost. */
export interface Waker {
  wake(): void;
  next(): Promise<void>;
}

export function createWaker(): Waker {
  let told = false;
  let resume: (() => void) | undefined;
  return {
    wake() {
      told = true;
      resume?.();
      resume = undefined;
    },
    async next() {
      if (!told) {
        await new Promise<void>((resolve) => {
          resume = resolve;
        });
      }
      told = false;
    },
  };
}
