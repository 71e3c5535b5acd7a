/** One sending of an event, as the simulator makes them. */
export interface Copy {
  readonly topic: string;
  readonly eventId: string;
  readonly payloadJson: string;
}

/** What the server says became of a request's copies. */
export interface Verdicts {
  readonly received: number;
  readonly accepted: number;
  readonly inserted: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLettered: number;
  /** Taken, but the verdict was not known in time. */
  readonly undecided: number;
}

/** A door to publish at. */
export interface Target {
  /** For people. */
  readonly name: string;
  /** Rejects with a DeliveryError. */
  send(copies: readonly Copy[], sentAt: Date): Promise<Verdicts>;
  close(): void;
}

export interface DeliveryFailure {
  readonly retryable: boolean;
  readonly timedOut: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly retryable: boolean;
  readonly timedOut: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { retryable, timedOut, retryAfterMs, cause }: DeliveryFailure) {
    super(message, { cause });
    this.retryable = retryable;
    this.timedOut = timedOut;
    this.retryAfterMs = retryAfterMs;
  }
}

/** More than a verdict may take. */
export const requestTimeoutMs = 15_000;
