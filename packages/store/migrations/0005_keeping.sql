-- Rows that were removed on purpose, by retention or because somebody asked for it, in sums: an audit adds them to the rows
-- that are there.
create table pruned (
  -- The table that they were in.
  kind text not null check (kind in ('events', 'event_keys', 'refused', 'tallies', 'dead_letters', 'replays')),
  topic text collate "C" not null default '',
  -- Of their received_at.
  day date not null,
  row_count bigint not null default 0,
  -- The exclusive or of their positions, and of what the audit makes of a whole row.
  position_xor bigint not null default 0,
  mark_xor bigint not null default 0,
  -- Copies in them that count as these.
  duplicate_count bigint not null default 0,
  conflict_count bigint not null default 0,
  redriven_count bigint not null default 0,
  last_position bigint not null default 0,
  primary key (kind, topic, day)
);
