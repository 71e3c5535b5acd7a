import { QueryServiceService, type Counts as WireCounts } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { formatInstant } from './instant.js';
import { type SettledCounts, settledCountsOf } from './settled-counts.js';

/** Copies. Always: received + redriven = uniqueProcessed + duplicateDropped + deadLettered + inFlight. */
export interface Counts extends SettledCounts {
  /** Taken by the broker, not in Postgres yet. */
  readonly inFlight: number;
}

/** Counted since the last reset; `lifetime` knows no resets. */
export interface Stats extends Counts {
  readonly lifetime: Counts;
  /** Messages that wait to be stored. */
  readonly queueSize: number;
  readonly topics: readonly string[];
  readonly uptimeSeconds: number;
  /** When the present counting began (ISO 8601, UTC). */
  readonly since: string;
}

/** The counters held against the rows, and the rows against the broker. */
export interface Reconciliation {
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  /** False while NATS is away. */
  readonly brokerChecked: boolean;
  readonly counters: Counts;
  readonly rows: Counts;
  /** Every position at or below it is committed. */
  readonly watermark: bigint;
  /** The last position that the broker had given out before. */
  readonly lastPosition: bigint;
}

/** One thing that does not add up. */
export interface Difference {
  /** What was compared, such as `unique_processed` or `lost_positions`. */
  readonly what: string;
  readonly expected: number;
  readonly found: number;
  /** The positions concerned, at most 100 of them. */
  readonly positions: readonly bigint[];
  /** One sentence. */
  readonly message: string;
}

export async function readStats(query: Peer, settings: CallSettings): Promise<Stats> {
  const response = await callUnary(query, QueryServiceService.getStats, {}, settings);
  return {
    ...countsOf(response.current),
    lifetime: countsOf(response.lifetime),
    queueSize: Number(response.queueSize),
    topics: response.topics,
    uptimeSeconds: response.uptimeSeconds,
    since: response.since ? formatInstant(response.since) : '',
  };
}

export async function reconcile(query: Peer, settings: CallSettings): Promise<Reconciliation> {
  const response = await callUnary(query, QueryServiceService.reconcile, {}, settings);
  return {
    ok: response.ok,
    differences: response.differences.map(({ what, expected, found, positions, message }) => ({
      what,
      expected: Number(expected),
      found: Number(found),
      positions,
      message,
    })),
    brokerChecked: response.brokerChecked,
    counters: countsOf(response.counters),
    rows: countsOf(response.rows),
    watermark: response.watermark,
    lastPosition: response.lastPosition,
  };
}

/** Makes the present counts the baseline of stats; nothing is deleted. Returns when that was (ISO 8601, UTC). */
export async function resetStats(query: Peer, settings: CallSettings): Promise<{ since: string }> {
  const { since } = await callUnary(query, QueryServiceService.resetStats, {}, settings);
  return { since: since ? formatInstant(since) : '' };
}

function countsOf(counts: WireCounts | undefined): Counts {
  return { ...settledCountsOf(counts), inFlight: Number(counts?.inFlight ?? 0) };
}
