import type { QueryServiceClient, Counts as WireCounts } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { formatInstant } from './instant.js';

/** Copies. Always: received + redriven = uniqueProcessed + duplicateDropped + deadLettered + inFlight. */
export interface Counts {
  readonly received: number;
  /** Events stored. */
  readonly uniqueProcessed: number;
  /** Copies that repeated an event; conflicts are counted in. */
  readonly duplicateDropped: number;
  readonly conflicts: number;
  readonly deadLettered: number;
  readonly redriven: number;
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
  readonly differences: readonly { readonly what: string; readonly message: string }[];
  /** False while NATS is away. */
  readonly brokerChecked: boolean;
  readonly counters: Counts;
  readonly rows: Counts;
}

export async function readStats(query: Peer<QueryServiceClient>, settings: CallSettings): Promise<Stats> {
  const response = await callUnary(query, query.client.getStats, {}, settings);
  return {
    ...countsOf(response.current),
    lifetime: countsOf(response.lifetime),
    queueSize: Number(response.queueSize),
    topics: response.topics,
    uptimeSeconds: response.uptimeSeconds,
    since: response.since ? formatInstant(response.since) : '',
  };
}

export async function reconcile(query: Peer<QueryServiceClient>, settings: CallSettings): Promise<Reconciliation> {
  const response = await callUnary(query, query.client.reconcile, {}, settings);
  return {
    ok: response.ok,
    differences: response.differences.map(({ what, message }) => ({ what, message })),
    brokerChecked: response.brokerChecked,
    counters: countsOf(response.counters),
    rows: countsOf(response.rows),
  };
}

/** As numbers: counts stay far below 2^53. */
function countsOf(counts: WireCounts | undefined): Counts {
  return {
    received: Number(counts?.received ?? 0),
    uniqueProcessed: Number(counts?.uniqueProcessed ?? 0),
    duplicateDropped: Number(counts?.duplicateDropped ?? 0),
    conflicts: Number(counts?.conflicts ?? 0),
    deadLettered: Number(counts?.deadLettered ?? 0),
    redriven: Number(counts?.redriven ?? 0),
    inFlight: Number(counts?.inFlight ?? 0),
  };
}
