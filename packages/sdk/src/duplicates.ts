import type { StoredEvent as WireStoredEvent } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { QueryServiceService, type Conflict as WireConflict } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { type StoredEvent, storedEventOf } from './event.js';

export interface DuplicatesOptions extends CallSettings {
  /** Only of this topic, exactly. */
  readonly topic?: string | undefined;
  /** Only copies from this source, exactly. */
  readonly source?: string | undefined;
  /** How many sources and how many conflicts, at most: 1 to 1000. Default: 100. */
  readonly limit?: number | undefined;
  /** Goes on with older conflicts: nextCursor of an answer. */
  readonly cursor?: string | undefined;
}

/** Who repeats, how often and after how long. */
export interface Duplicates {
  /** Most duplicates first. */
  readonly sources: readonly RepeatingSource[];
  /** How long after the stored copy they came: ascending, without empty buckets. */
  readonly gaps: readonly GapBucket[];
  /** Within which 99 % of them came; absent without any. `covered` is the share that really did, 0 to 1. */
  readonly window?: { readonly suggestedMs: number; readonly covered: number };
  /** The latest first. */
  readonly conflicts: readonly Conflict[];
  /** Absent when there are no older conflicts. */
  readonly nextCursor?: string;
  /** Copies that are not counted here yet; they follow within moments. */
  readonly behind: number;
}

export interface RepeatingSource {
  readonly source: string;
  readonly topic: string;
  readonly uniqueProcessed: number;
  readonly duplicateDropped: number;
  readonly conflicts: number;
}

export interface GapBucket {
  /** More than the bucket before, and at most this. */
  readonly upToMs: number;
  readonly duplicates: number;
}

/** A copy with the id of a stored event but another payload or source. */
export interface Conflict {
  readonly topic: string;
  readonly eventId: string;
  readonly stored: ConflictSide;
  /** What came and was refused. */
  readonly refused: ConflictSide;
}

/** `expired`: its content is gone, or was erased. */
export type ConflictSide =
  | StoredEvent
  | { readonly expired: true; readonly position: bigint; readonly receivedAt: string };

export async function readDuplicates(
  query: Peer,
  { topic = '', source = '', limit = 0, cursor = '', ...settings }: DuplicatesOptions,
): Promise<Duplicates> {
  const request = { topic, source, limit, cursor };
  const answer = await callUnary(query, QueryServiceService.listDuplicates, request, settings);
  const { window, nextCursor } = answer;
  return {
    sources: answer.sources.map((each) => ({
      source: each.source,
      topic: each.topic,
      uniqueProcessed: Number(each.uniqueProcessed),
      duplicateDropped: Number(each.duplicateDropped),
      conflicts: Number(each.conflicts),
    })),
    gaps: answer.gaps.map(({ upToMs, duplicates }) => ({ upToMs: Number(upToMs), duplicates: Number(duplicates) })),
    ...(window ? { window: { suggestedMs: Number(window.suggestedMs), covered: window.covered } } : {}),
    conflicts: answer.conflicts.map(conflictOf),
    ...(nextCursor === '' ? {} : { nextCursor }),
    behind: Number(answer.behind),
  };
}

const nothing = { event: undefined, position: 0n, receivedAt: undefined };

function conflictOf({ topic, eventId, stored = nothing, refused = nothing }: WireConflict): Conflict {
  return { topic, eventId, stored: sideOf(stored), refused: sideOf(refused) };
}

function sideOf(side: WireStoredEvent): ConflictSide {
  const event = storedEventOf(side);
  const { position, receivedAt } = event;
  return side.event?.payloadJson === undefined ? { expired: true, position, receivedAt } : event;
}
