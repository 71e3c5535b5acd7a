export interface WindowLimits {
  readonly requests: number;
  readonly copies: number;
}

export interface StreamWindow {
  /** Resolves when one more request may be read. For one reader. */
  room(): Promise<void>;
  /** Counts a request until what is given back is called. */
  open(copies: number): () => void;
}

/**
 * What a stream has read and not answered yet. An answer counts until it has left, so a caller that reads no answers is
 * read no further.
 */
export function createStreamWindow(limits: WindowLimits): StreamWindow {
  const now = { requests: 0, copies: 0 };
  let wake = () => {};
  const hasRoom = () => now.requests < limits.requests && now.copies < limits.copies;

  return {
    room: () =>
      new Promise((resolve) => {
        if (hasRoom()) resolve();
        else wake = resolve;
      }),
    open(copies) {
      now.requests += 1;
      now.copies += copies;
      return () => {
        now.requests -= 1;
        now.copies -= copies;
        if (hasRoom()) wake();
      };
    },
  };
}
