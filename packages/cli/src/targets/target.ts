import type { Outcome } from '@eventsieve/client';

/** One sending of an event, as the simulator makes them. */
export interface Copy {
  /** The event's number in its run. */
  readonly event: number;
  readonly topic: string;
  readonly eventId: string;
  readonly payloadJson: string;
  /** A repeat with another payload than the event itself. */
  readonly isConflict: boolean;
}

/** What the server says became of a request's copies. */
export interface Verdicts {
  readonly received: number;
  readonly accepted: number;
  readonly inserted: number;
  readonly duplicates: number;
  readonly conflicts: number;
  /** One per copy, in their order. */
  readonly outcomes: readonly Outcome[];
}

/** What became of an event, asked for later. */
export type Fate = 'stored' | 'dead_lettered' | 'pending' | 'never_seen';

/** A stored event of the run. */
export interface Held {
  readonly topic: string;
  readonly eventId: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Copies of the run that repeat something, as the server has counted them. */
export interface CountedRepeats {
  readonly byTopic: ReadonlyMap<string, RepeatCounts>;
  /** Copies of anybody that are not counted there yet. */
  readonly behind: number;
}

export interface RepeatCounts {
  readonly duplicates: number;
  readonly conflicts: number;
}

/** A door to publish at. */
export interface Target {
  /** For people. */
  readonly name: string;
  /** Rejects with a DeliveryError. */
  send(copies: readonly Copy[], sentAt: Date): Promise<Verdicts>;
  lookUp(copy: Pick<Copy, 'topic' | 'eventId'>): Promise<Fate>;
  /** All that is stored of the run. */
  held(): AsyncGenerator<readonly Held[]>;
  countedRepeats(): Promise<CountedRepeats>;
  close(): void;
}

export interface TargetOptions {
  readonly target: string;
  /** Where a gRPC target's events are looked up. */
  readonly query: string;
  readonly wait: 'broker' | 'stored';
  readonly run: string;
}

export const sourceOf = (run: string): string => `simulate-${run}`;

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

/** What the server gives at once at most. */
export const pageSize = 1_000;
