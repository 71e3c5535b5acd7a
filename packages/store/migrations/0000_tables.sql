-- Text that is looked up or sorted is compared byte by byte: faster, and the same on every system's locale.

-- One row per event that was ever taken: the truth about "once". It outlives the event's payload.
create table event_keys (
  topic text collate "C" not null,
  event_id text collate "C" not null,
  position bigint not null,
  -- Follows jsonb equality of the payload, and the source; tells a conflict from a duplicate without the payload.
  content bigint not null,
  received_at timestamptz not null,
  primary key (topic, event_id)
);

-- The events themselves, by day of received_at. No default partition: one would forbid detaching concurrently.
create table events (
  position bigint not null,
  received_at timestamptz not null,
  topic text collate "C" not null,
  event_id text collate "C" not null,
  "timestamp" timestamptz not null,
  source text collate "C" not null,
  payload jsonb not null,
  primary key (position, received_at)
) partition by range (received_at);
create index events_topic_position on events (topic, position);
create index events_source_position on events (source, position);

-- Copies that repeated a stored event. One row by position, so that a redelivered repeat is recorded once.
create table refused (
  position bigint primary key,
  received_at timestamptz not null,
  topic text collate "C" not null,
  event_id text collate "C" not null,
  "timestamp" timestamptz not null,
  source text collate "C" not null,
  -- The copy that is stored.
  first_position bigint not null,
  first_seen_at timestamptz not null,
  -- Another payload or source than the stored one; only then is the payload kept.
  conflict boolean not null,
  payload jsonb
);

-- Copies that the broker's duplicate window dropped, as the gateway wrote them down: one row per message.
create table tallies (
  position bigint primary key,
  received_at timestamptz not null,
  copies integer not null,
  -- [{"topic", "source", "event_ids": [...]}]
  groups jsonb not null
);

-- Copies that Postgres can never hold or that nobody can decode, as they came.
create table dead_letters (
  position bigint primary key,
  received_at timestamptz not null,
  -- As far as they could be read.
  topic text collate "C" not null default '',
  event_id text collate "C" not null default '',
  subject text not null,
  headers jsonb not null default '{}',
  body bytea not null,
  code text not null,
  reason text not null,
  attempts integer not null,
  dead_lettered_at timestamptz not null default now()
);
create index dead_letters_event on dead_letters (topic, event_id);

-- Messages that an older copy of the broker's store brought back under a new epoch: the same copy as `original`.
create table replays (
  position bigint primary key,
  received_at timestamptz not null,
  original bigint not null
);

-- Counters are rows per shard, so that concurrent calls do not wait for each other; a reader adds the shards up.
create table topic_counters (
  topic text collate "C" not null,
  shard smallint not null,
  unique_count bigint not null default 0,
  duplicate_count bigint not null default 0,
  conflict_count bigint not null default 0,
  dead_letter_count bigint not null default 0,
  redriven_count bigint not null default 0,
  primary key (topic, shard)
) with (fillfactor = 50);

create table minute_counters (
  minute timestamptz not null,
  topic text collate "C" not null,
  shard smallint not null,
  unique_count bigint not null default 0,
  duplicate_count bigint not null default 0,
  conflict_count bigint not null default 0,
  dead_letter_count bigint not null default 0,
  redriven_count bigint not null default 0,
  primary key (minute, topic, shard)
) with (fillfactor = 50);

-- What the last reset of the statistics subtracts; no row before the first one.
create table stats_baseline (
  only_row boolean primary key default true check (only_row),
  since timestamptz not null,
  received bigint not null,
  unique_count bigint not null,
  duplicate_count bigint not null,
  conflict_count bigint not null,
  dead_letter_count bigint not null,
  redriven_count bigint not null
);

-- position = base + stream sequence, within an epoch.
create table epochs (
  epoch integer primary key,
  base bigint not null,
  -- The stream's own birth date, as the broker spells it.
  stream_created text not null,
  -- Up to here a message may be one that an earlier epoch has stored already.
  replay_until bigint not null,
  reason text not null,
  opened_at timestamptz not null default now()
);

create table watermark (
  only_row boolean primary key default true check (only_row),
  -- Everything at or below it is committed. Never goes down.
  position bigint not null default 0,
  -- The highest position that the broker was seen to have given out.
  known bigint not null default 0,
  updated_at timestamptz not null default now()
) with (fillfactor = 10);
insert into watermark default values;
