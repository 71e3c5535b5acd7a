/**
 * What each service measures, said once: the services, the dashboard, the alert rules and docs/metrics.md are held
 * against it. No label has a value that a publisher chooses, so the number of series is bounded.
 */

/** The values that each label can have. An empty list: known only at run time, and still few. */
export type LabelValues = Readonly<Record<string, readonly string[]>>;

export interface MetricSpec<Labels extends LabelValues = LabelValues> {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: Labels;
  /** Of a histogram: upper bounds, rising. */
  readonly buckets: readonly number[];
}

// Without a third argument `Labels` is {}, which the type cannot say of a default.
const none = {};

function counter<const Labels extends LabelValues = typeof none>(
  name: string,
  help: string,
  labels: Labels = none as Labels,
): MetricSpec<Labels> {
  return { name, kind: 'counter', help, labels, buckets: [] };
}

function gauge(name: string, help: string): MetricSpec<typeof none> {
  return { name, kind: 'gauge', help, labels: none, buckets: [] };
}

function histogram<const Labels extends LabelValues = typeof none>(
  name: string,
  buckets: readonly number[],
  help: string,
  labels: Labels = none as Labels,
): MetricSpec<Labels> {
  return { name, kind: 'histogram', help, labels, buckets };
}

const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const messagesBuckets = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

export const waits = ['broker', 'stored'] as const;
export const answeredOutcomes = ['accepted', 'stored', 'duplicate', 'conflict', 'rejected', 'dead_lettered'] as const;
export const requestResults = ['answered', 'invalid', 'retryable', 'failed'] as const;

/** Top-level fields of a request and of an event; `other` for whatever is not among them. */
export const fieldsAtFault = [
  ...(['topic', 'event_id', 'source', 'timestamp', 'payload', 'events', 'wait_for'] as const),
  'other',
] as const;

/** The reason of ErrorInfo, or the error's code where it has none; OTHER for whatever is not among them. */
export const refusalReasons = [
  ...(['INVALID_FIELD', 'UNDECODABLE', 'STREAM_FULL', 'TOO_MANY_IN_FLIGHT', 'TOO_MANY_WAITING'] as const),
  ...(['BROKER_AWAY', 'BROKER_REFUSED', 'CALLER_GONE'] as const),
  ...(['FATE_UNKNOWN', 'DEADLINE_EXCEEDED', 'STOPPING', 'INTERNAL', 'OTHER'] as const),
] as const;

/** By which way somebody follows what is stored. */
export const followDoors = ['http', 'grpc'] as const;

/** What a worker does about a storing call that failed. */
export const remedies = ['retry', 'create-partition', 'halve', 'split', 'realign', 'wait'] as const;

/** The tables that retention removes rows of; of minute_counters, into one row for each topic. */
export const removedKinds = [
  ...(['events', 'event_keys', 'refused', 'tallies', 'replays', 'dead_letters', 'minute_counters'] as const),
] as const;

const duplicatesBy = <const Place extends 'broker' | 'store'>(place: Place) =>
  counter('eventsieve_duplicates_total', 'Copies dropped as duplicates, conflicts among them, by who recognised them', {
    place: [place],
  });

export const gatewayMetrics = {
  received: counter(
    'eventsieve_gateway_received_copies_total',
    'Copies that passed validation, by what their publisher waits for',
    { wait: waits },
  ),
  answered: counter('eventsieve_gateway_answered_copies_total', 'Copies answered, by outcome', {
    wait: waits,
    outcome: answeredOutcomes,
  }),
  rejected: counter(
    'eventsieve_gateway_rejected_copies_total',
    'Copies with a verdict of their own from validation (allow_partial), by field at fault',
    { field: fieldsAtFault },
  ),
  refused: counter('eventsieve_gateway_refused_requests_total', 'Requests refused as a whole, by reason', {
    reason: refusalReasons,
  }),
  invalid: counter(
    'eventsieve_gateway_invalid_requests_total',
    'Requests refused for INVALID_FIELD, by the first field at fault',
    { field: fieldsAtFault },
  ),
  duplicates: duplicatesBy('broker'),
  tallies: counter(
    'eventsieve_gateway_written_tallies_total',
    'Tally messages written for copies that the window of the broker dropped',
  ),
  publishSeconds: histogram(
    'eventsieve_gateway_publish_duration_seconds',
    secondsBuckets,
    'From sending messages of a request to the broker until all are acknowledged or given up',
  ),
  requestSeconds: histogram(
    'eventsieve_gateway_request_duration_seconds',
    secondsBuckets,
    'Publish calls, from the request read until its answer',
    { wait: waits, result: requestResults },
  ),
  unackedMessages: gauge(
    'eventsieve_gateway_unacknowledged_messages',
    'Messages sent to the broker and not acknowledged yet',
  ),
  unackedBytes: gauge(
    'eventsieve_gateway_unacknowledged_bytes',
    'Bytes of requests whose messages are not all acknowledged yet',
  ),
  requestBytes: gauge(
    'eventsieve_gateway_request_bytes_in_flight',
    'What calls that are not answered yet may hold in memory',
  ),
  requestLimitBytes: gauge(
    'eventsieve_gateway_request_limit_bytes',
    'What they may hold all together before more are refused (MAX_REQUEST_BYTES_IN_FLIGHT)',
  ),
  waiting: gauge('eventsieve_gateway_waiting_copies', 'Copies whose verdict is waited for'),
  connected: gauge('eventsieve_gateway_connected', '1 while the gateway is connected to NATS, else 0'),
} as const satisfies Readonly<Record<string, MetricSpec>>;

export const workerMetrics = {
  stored: counter('eventsieve_stored_total', 'Copies stored as the event of their id'),
  duplicates: duplicatesBy('store'),
  conflicts: counter('eventsieve_conflicts_total', 'Copies whose id is stored with another payload or source'),
  deadLetters: counter('eventsieve_dead_letters_total', 'Messages kept as dead letters'),
  redeliveries: counter('eventsieve_redeliveries_total', 'Messages that the broker handed out again'),
  batchMessages: histogram('eventsieve_worker_batch_messages', messagesBuckets, 'Messages in a batch'),
  commitSeconds: histogram(
    'eventsieve_worker_commit_duration_seconds',
    secondsBuckets,
    'Storing calls that committed, from sending to answer',
  ),
  failedCalls: counter('eventsieve_worker_failed_calls_total', 'Storing calls that failed, by what is done about it', {
    remedy: remedies,
  }),
  batchesUnderWay: gauge('eventsieve_worker_under_way_batches', 'Batches being stored'),
  buffered: gauge('eventsieve_worker_buffered_messages', 'Messages pulled that are in no batch yet'),
  streamMessages: gauge('eventsieve_stream_messages', 'The backlog: messages in the stream'),
  streamBytes: gauge('eventsieve_stream_bytes', 'Bytes in the stream'),
  streamLimitMessages: gauge(
    'eventsieve_stream_limit_messages',
    'Messages at which the stream refuses more, +Inf without such a limit',
  ),
  streamLimitBytes: gauge(
    'eventsieve_stream_limit_bytes',
    'Bytes at which the stream refuses more, +Inf without such a limit',
  ),
  watermark: gauge('eventsieve_worker_watermark_position', 'The position up to which everything is committed'),
  watermarkLag: gauge(
    'eventsieve_worker_watermark_lag_messages',
    'The highest position that the broker gave, less the watermark',
  ),
  epoch: gauge('eventsieve_worker_epoch', 'The epoch in force; each time the broker goes back a new one opens'),
  removed: counter('eventsieve_worker_removed_rows_total', 'Rows removed because they were too old, by table', {
    kind: removedKinds,
  }),
  oldestEvent: gauge('eventsieve_oldest_event_age_seconds', 'Since the oldest event that is kept was received'),
  connected: gauge('eventsieve_worker_connected', '1 while the worker is connected to NATS, else 0'),
  consuming: gauge('eventsieve_worker_consuming', '1 while the worker is aligned and pulls messages, else 0'),
} as const satisfies Readonly<Record<string, MetricSpec>>;

export const queryMetrics = {
  httpSeconds: histogram(
    'eventsieve_query_http_request_duration_seconds',
    secondsBuckets,
    'HTTP requests, by route and class of status',
    { route: [], status: [] },
  ),
  grpcSeconds: histogram(
    'eventsieve_query_grpc_call_duration_seconds',
    secondsBuckets,
    'gRPC calls, by method and status code',
    { method: [], code: [] },
  ),
  followers: gauge('eventsieve_query_followers', 'Callers of TailEvents and /events/stream'),
  followedEvents: counter('eventsieve_query_followed_events_total', 'Events sent to them, each once for each of them', {
    door: followDoors,
  }),
  tailBehind: gauge(
    'eventsieve_query_tail_behind_positions',
    'The watermark, less the position up to which new events were read for them; 0 when nobody follows',
  ),
  received: gauge(
    'eventsieve_lifetime_received_copies',
    'Copies that the broker took; a reset changes no lifetime count',
  ),
  unique: gauge('eventsieve_lifetime_unique_copies', 'Copies stored as the event of their id'),
  duplicates: gauge('eventsieve_lifetime_duplicate_copies', 'Copies dropped as duplicates, conflicts among them'),
  conflicts: gauge('eventsieve_lifetime_conflicting_copies', 'Copies whose id is stored with other content'),
  deadLettered: gauge('eventsieve_lifetime_dead_lettered_copies', 'Copies kept as dead letters'),
  redriven: gauge('eventsieve_lifetime_redriven_copies', 'Dead letters sent in again'),
  inFlight: gauge('eventsieve_in_flight_messages', 'Messages that the broker took and Postgres does not have yet'),
} as const satisfies Readonly<Record<string, MetricSpec>>;

/** Who exposes what. */
export const metricsOfService = {
  gateway: gatewayMetrics,
  'dedup-worker': workerMetrics,
  query: queryMetrics,
} as const satisfies Readonly<Record<string, Readonly<Record<string, MetricSpec>>>>;
