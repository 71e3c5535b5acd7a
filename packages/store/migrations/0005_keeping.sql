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

-- The day of events that is about to be dropped. Its rows are summed up first, then its partition is detached, then the
-- table goes, and the sums go to `pruned` with it. The partition is known by its name: in a restored database it has
-- another oid.
create table leaving (
  only_row boolean primary key default true check (only_row),
  day date not null,
  -- Of the rows up to last_position.
  row_count bigint not null default 0,
  position_xor bigint not null default 0,
  mark_xor bigint not null default 0,
  last_position bigint not null default 0
);

-- event_keys has no index that knows a key's age, so those that are too old are found block by block.
create table key_walk (
  only_row boolean primary key default true check (only_row),
  next_block bigint not null default 0,
  -- Those that were received before this are looked for, or were in the last walk.
  before timestamptz
) with (fillfactor = 10);
insert into key_walk default values;

-- What is gone, as the same moment shows it: a partition leaves the sight of a snapshot when its detaching begins.
create view removed as
  select kind, topic, day, row_count, position_xor, mark_xor, duplicate_count, conflict_count, redriven_count, last_position
  from pruned
  union all
  select 'events', '', l.day, l.row_count, l.position_xor, l.mark_xor, 0, 0, 0, l.last_position
  from leaving l
  where not exists (
    select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'events'::regclass and c.relname = 'events_' || to_char(l.day, 'YYYYMMDD')
      and not i.inhdetachpending
  );

-- Held by whoever removes rows.
create function keeping_lock_key() returns bigint language sql immutable parallel safe as $$ select 7305809143511617077 $$;

-- What says of a row of event_keys and of its row of events that they belong together.
create function row_mark_v1(at_position bigint, its_topic text, its_event_id text, at_time timestamptz) returns bigint
language sql stable parallel safe as $$
  select hash_record_extended(row(at_position, its_topic, its_event_id, at_time), 0)
$$;

-- Nothing above it may be removed: up to here all is committed, and the statistics by source have seen it.
create function removable_up_to_v1() returns bigint language sql stable as $$
  select least(w.position, r.position) from watermark w, rollup r
$$;

create index dead_letters_settled on dead_letters (state_since) where state <> 'open';
create index refused_conflicts_event on refused (topic, event_id) where conflict and payload is not null;

-- The same function, mended: also surplus is a message whose dead letter was erased, since what it carries may not come
-- back, and one whose dead letter is not kept any more, since that was redriven or given up before it went.
create or replace function begin_redrive_v1(
  of_epoch integer,
  of_sending bigint,
  original bigint,
  at_position bigint,
  at_time timestamptz,
  out letter dead_letters,
  out surplus boolean
) language plpgsql as $$
declare
  settled bigint;
begin
  perform require_epoch_v1(of_epoch);
  select * into letter from dead_letters d where d.position = original for update;
  select w.position into settled from watermark w;
  if letter.position is not null then
    surplus := (letter.state = 'redriven' or letter.code = 'ERASED') and letter.redriven_position is distinct from at_position;
  else
    -- What is settled has a row, and may be the one that redrove it.
    surplus := at_position > settled
      and exists (select from pruned p where p.kind = 'dead_letters' and p.last_position >= original);
  end if;
  if surplus then
    if at_position <= settled
       and not exists (select from replays p where p.position = at_position and p.received_at = at_time) then
      raise exception 'a message at or below the watermark has no row' using errcode = 'ES002';
    end if;
    insert into replays (position, received_at, original)
    values (at_position, at_time, coalesce(letter.redriven_position, original))
    on conflict do nothing;
  end if;
  delete from redrives r where r.sending = of_sending;
end
$$;
