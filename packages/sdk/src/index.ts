export type { CallSettings } from './call.js';
export { type Client, type ClientOptions, createClient } from './client.js';
export type { EventFilter } from './encode-filter.js';
export { type ErrorCode, EventsieveError, type FieldError } from './error.js';
export type { JsonObject, JsonValue, NewEvent, StoredEvent } from './event.js';
export type { FoundEvent } from './get-event.js';
export type { EventPage, ListOptions } from './list-events.js';
export type { Outcome, PublishAnswer, PublishOptions, PublishResult } from './publish.js';
export type { Counts, Reconciliation, Stats } from './read-stats.js';
