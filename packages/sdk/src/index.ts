export type { CallSettings } from './call.js';
export type { CallMetadata, HeaderValues } from './call-metadata.js';
export type { Health, ServerHealth } from './check-health.js';
export { type Client, type ClientOptions, createClient } from './client.js';
export type { TlsOptions } from './connect.js';
export type {
  DeadLetterChoice,
  DeadLetters,
  Discard,
  ListDeadLettersOptions,
  Redrive,
  RedriveResult,
  SettleOptions,
} from './dead-letter-calls.js';
export type { DeadLetter, DeadLetterFilter, DeadLetterState, WholeDeadLetter } from './dead-letters.js';
export type {
  Conflict,
  ConflictSide,
  Duplicates,
  DuplicatesOptions,
  GapBucket,
  RepeatingSource,
} from './duplicates.js';
export type { EventFilter } from './encode-filter.js';
export type { Erasure } from './erase-events.js';
export { type ErrorCode, EventsieveError, type FieldError } from './error.js';
export type { JsonObject, JsonValue, NewEvent, StoredEvent } from './event.js';
export type { FoundEvent } from './get-event.js';
export { type IdField, idFrom } from './ids.js';
export type { EventPage, ListOptions } from './list-events.js';
export type { NamedCounts, StatsByOptions } from './list-stats.js';
export type { ProducerOptions } from './producer/options.js';
export type { Producer } from './producer/producer.js';
export type { Outcome, PublishAnswer, PublishOptions, PublishResult, Wait } from './publish.js';
export type { Counts, Difference, Reconciliation, Stats } from './read-stats.js';
export type { Reader } from './reader.js';
export type { RetryOptions } from './retry.js';
export type { SettledCounts } from './settled-counts.js';
export type { SeriesOptions, SeriesPoint, StatsSeries } from './stats-series.js';
export type { Tail, TailedEvent, TailOptions } from './tail-events.js';
export type { TailFilter, TailFrom } from './tail-request.js';
