import type { Counts, Difference, ReconcileResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { compareBroker, readHoldings } from '../audit/broker.js';
import { compareCounters, compareMinutes, readCounters, type Tally } from '../audit/counters.js';
import { compareEvents } from '../audit/events.js';
import { comparePositions } from '../audit/positions.js';
import { countRows } from '../audit/rows.js';
import { type Holdings, lastPositionOf } from '../last-position.js';
import type { Queries } from '../queries.js';
import type { Statements } from '../sql/database.js';
import { type InFlightRow, inFlightOf, inFlightParameters, selectInFlight } from '../sql/in-flight.js';

type AuditQueries = Pick<Queries, 'auditDatabase' | 'lastPosition'>;

const attempts = 3;
const pauseMs = 300;

/**
 * The counters against the rows, and the rows against the broker. The broker is read first and one snapshot after it, so
 * whatever happens meanwhile cannot look like a difference.
 */
export async function reconcile(queries: AuditQueries): Promise<ReconcileResponse> {
  for (let attempt = 1; ; attempt++) {
    const holdings = await readHoldings(queries.lastPosition);
    const audit = await queries.auditDatabase.inSnapshot((snapshot) => auditSnapshot(snapshot, holdings));
    // While an epoch is about to open nothing in the stream can be placed; soon it can.
    const soon = holdings !== undefined && (!audit.brokerChecked || (await hasGoneBack(queries, audit, holdings)));
    if (!soon) return audit.response(audit.brokerChecked);
    if (attempt === attempts) return audit.response(false);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

interface Audit {
  readonly brokerChecked: boolean;
  readonly base: bigint;
  readonly known: bigint;
  readonly response: (brokerChecked: boolean) => ReconcileResponse;
}

async function auditSnapshot(snapshot: Statements, holdings: Holdings | undefined): Promise<Audit> {
  // Before the snapshot is taken: a partition that it shows is not detached then until it ends.
  await snapshot.query('lock table only events in access share mode');
  const [bounds] = await snapshot.query<BoundsRow>(selectBounds);
  const [flight] = await snapshot.query<InFlightRow>(selectInFlight, inFlightParameters(holdings));
  if (bounds === undefined || flight === undefined) throw new Error('the watermark has no row');
  const base = BigInt(bounds.base);
  const known = BigInt(bounds.known);
  const watermark = BigInt(bounds.watermark);
  // Nothing of an earlier epoch is still under way: what has no row by now never gets one.
  const settled = watermark > base ? watermark : base;
  const last = holdings && lastPositionOf(holdings, { base, streamCreated: bounds.stream_created ?? undefined });

  const counters = await readCounters(snapshot);
  const rows = await countRows(snapshot, settled);
  const { tally } = rows;
  const inRows: Difference[] = [
    ...compareCounters(counters, tally),
    ...rows.differences,
    ...(await compareMinutes(snapshot)),
    ...(await compareEvents(snapshot, tally.unique, rows.keyMark)),
    ...(await comparePositions(snapshot, { settled, last }, rows)),
  ];
  const inBroker =
    last === undefined || holdings === undefined ? [] : await compareBroker(snapshot, { settled, base, holdings });

  const inFlight = inFlightOf(flight, holdings).copies;
  const nothingYet = bounds.stream_created === null && holdings?.lastSequence === 0n;
  return {
    brokerChecked: last !== undefined || nothingYet,
    base,
    known,
    response(brokerChecked) {
      const differences = brokerChecked ? [...inRows, ...inBroker] : inRows;
      return {
        ok: differences.length === 0,
        differences,
        counters: countsOf(counters, inFlight),
        rows: countsOf(tally, inFlight),
        watermark,
        lastPosition: last ?? known,
        brokerChecked,
      };
    },
  };
}

/** A worker saw a later position than the broker gave as its last, and asked again the broker still does not know it. */
async function hasGoneBack({ lastPosition }: AuditQueries, { base, known }: Audit, before: Holdings): Promise<boolean> {
  if (known <= base + before.lastSequence) return false;
  const now = await lastPosition.read();
  return typeof now !== 'object' || now.created !== before.created || base + now.lastSequence < known;
}

function countsOf(tally: Tally, inFlight: bigint): Counts {
  return {
    received: tally.unique + tally.duplicates + tally.deadLettered - tally.redriven + inFlight,
    uniqueProcessed: tally.unique,
    duplicateDropped: tally.duplicates,
    conflicts: tally.conflicts,
    deadLettered: tally.deadLettered,
    redriven: tally.redriven,
    inFlight,
  };
}

type BoundsRow = {
  readonly watermark: string;
  readonly known: string;
  readonly base: string;
  readonly stream_created: string | null;
};

const selectBounds = `
  select w.position as watermark, w.known, coalesce(e.base, 0) as base, e.stream_created
  from watermark w left join (select base, stream_created from epochs order by epoch desc limit 1) e on true`;
