-- What is worked out from settled rows, beside the way of an event: every row at or below the watermark is there for good,
-- so a step counts a stretch of positions once and never looks at it again.

-- How far it has come: everything at or below is in the tables below.
create table rollup (
  only_row boolean primary key default true check (only_row),
  position bigint not null default 0,
  updated_at timestamptz not null default now()
) with (fillfactor = 10);
insert into rollup default values;

-- The times of the events in a stretch of positions, so that a search by time need not look at all of them. Every stretch
-- below the last one is here, without holes.
create table chapters (
  -- Inclusive, both of them.
  first_position bigint primary key,
  last_position bigint not null,
  events integer not null,
  -- Of the events in it; null when there are none. They may since have gone.
  received_from timestamptz,
  received_to timestamptz,
  happened_from timestamptz,
  happened_to timestamptz
);

create table source_counters (
  source text collate "C" not null,
  topic text collate "C" not null,
  unique_count bigint not null default 0,
  duplicate_count bigint not null default 0,
  conflict_count bigint not null default 0,
  primary key (source, topic)
) with (fillfactor = 50);

-- How long after the stored copy the duplicates of a source came: more than 2 ^ (bucket - 1) ms and at most 2 ^ bucket.
create table gap_counters (
  source text collate "C" not null,
  topic text collate "C" not null,
  bucket smallint not null,
  duplicate_count bigint not null default 0,
  primary key (source, topic, bucket)
) with (fillfactor = 50);

create index refused_conflicts on refused (position) where conflict;
