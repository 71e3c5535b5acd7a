import type { IdShape, PayloadKind } from './events.js';
import type { Percentiles } from './latencies.js';

/** What a loading process sends, and for how long. It travels to that process as it is. */
export interface LoadPlan {
  /** `producer` is gRPC by the client's producer, which gets the events one by one. */
  readonly door: 'grpc' | 'grpc-stream' | 'http' | 'producer';
  /** host:port, or the URL of the bridge. */
  readonly target: string;
  readonly batch: number;
  readonly payload: PayloadKind;
  readonly stored: boolean;
  /** Share of copies that repeat another. */
  readonly repeats: number;
  readonly connections: number;
  /** Calls under way at once, over all connections. */
  readonly inFlight: number;
  readonly seconds: number;
  /** Ends earlier, once so many copies were sent. */
  readonly maxCopies?: number;
  /** Calls begin by the clock instead of one after the other, and are timed from when they should have begun. */
  readonly callsPerSecond?: number;
  readonly ids: IdShape;
  /** Where a run before has ended: its ids are not to be met, but by repeats. */
  readonly firstRound: number;
}

export interface LoadResult {
  readonly calls: number;
  readonly copies: number;
  /** Events: copies that repeat nothing. */
  readonly fresh: number;
  readonly nextRound: number;
  /** As the answers said. */
  readonly duplicates: number;
  readonly failures: number;
  readonly failure: string;
  readonly seconds: number;
  readonly latency: Percentiles;
  readonly cpuSeconds: number;
}
