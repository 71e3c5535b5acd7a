-- Functions carry a version in their name: a migration adds, and an older worker goes on calling the older one.

-- Held shared by every call that stores, exclusively by the one that opens an epoch.
create function epoch_lock_key() returns bigint language sql immutable parallel safe as $$ select 7305809143511617073 $$;

create function content_of(source text, payload jsonb) returns bigint language sql immutable parallel safe as $$
  select jsonb_hash_extended(payload, hashtextextended(source collate "C", 0))
$$;

-- The day's partition of events. CREATE, then ATTACH: creating it in place would lock out every reader and writer.
create function ensure_event_partition_v1(day date) returns void language plpgsql as $$
declare
  partition text := 'events_' || to_char(day, 'YYYYMMDD');
begin
  if to_regclass(partition) is not null then
    return;
  end if;
  perform pg_advisory_xact_lock(epoch_lock_key() + 1);
  -- Asked of the table, not of the name cache: that need not know yet what the holder of the lock has just made.
  if exists (select from pg_class where relname = partition and relnamespace = current_schema()::regnamespace) then
    return;
  end if;
  execute format('create table %I (like events including defaults including constraints including indexes)', partition);
  execute format(
    'alter table events attach partition %I for values from (%L) to (%L)',
    partition, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
  );
end
$$;

-- Opens the epoch after `expected`, unless somebody else did meanwhile; returns the epoch in force. The base is the
-- highest position that anything here knows of: no position is given out twice. A database that starts on a stream which
-- is in use already counts from the first message that it finds there.
create function open_epoch_v1(expected integer, created text, first_sequence bigint, last_sequence bigint, why text)
returns table (epoch integer, base bigint, stream_created text, replay_until bigint) language plpgsql as $$
#variable_conflict use_column
declare
  present integer;
  old_base bigint;
  new_base bigint;
begin
  perform pg_advisory_xact_lock(epoch_lock_key());
  select coalesce(max(e.epoch), 0), coalesce(max(e.base), 0) into present, old_base from epochs e;
  if present = expected then
    new_base := case when expected = 0 then 1 - greatest(first_sequence, 1) else greatest(
      (select greatest(w.position, w.known) from watermark w),
      (select max(e.position) from events e),
      (select max(r.position) from refused r),
      (select max(t.position) from tallies t),
      (select max(d.position) from dead_letters d),
      (select max(p.position) from replays p),
      0
    ) end;
    insert into epochs (epoch, base, stream_created, replay_until, reason)
    values (
      expected + 1, new_base, created,
      -- Sequences up to the stream's last, or up to the highest that the epoch before has stored, may come again.
      case when expected = 0 then 0 else new_base + greatest(last_sequence, new_base - old_base) end,
      why
    );
  end if;
  return query select e.epoch, e.base, e.stream_created, e.replay_until from epochs e order by e.epoch desc limit 1;
end
$$;

create function advance_watermark_v1(of_epoch integer, committed bigint, last_known bigint) returns bigint
language plpgsql as $$
declare
  reached bigint;
begin
  perform pg_advisory_xact_lock_shared(epoch_lock_key());
  if of_epoch = (select max(epoch) from epochs) then
    update watermark
    set position = greatest(position, committed), known = greatest(known, last_known, committed), updated_at = now()
    where position < committed or known < last_known;
  end if;
  select position into reached from watermark;
  return reached;
end
$$;

-- Which of these messages have a row already under this position or, for messages that the broker brought back, under
-- the position that an earlier epoch gave them: same sequence, same timestamp, so the same copy. ES002 when a message at
-- or below the watermark has no row of its timestamp: then the broker gives out old sequences again.
create function find_settled_v1(
  this_epoch epochs,
  the_watermark bigint,
  positions bigint[],
  received_ats timestamptz[],
  topics text[],
  event_ids text[]
) returns table (settled_position bigint, settled_outcome smallint) language plpgsql set enable_seqscan = off as $$
begin
  insert into replays (position, received_at, original)
  select i.position, i.received_at, o.original
  from unnest(positions, received_ats, topics, event_ids) as i(position, received_at, topic, event_id)
  join epochs e on e.epoch < this_epoch.epoch
  cross join lateral (select e.base + i.position - this_epoch.base as original) o
  where i.position <= this_epoch.replay_until
    and (
      exists (
        select from event_keys k
        where k.topic = i.topic and k.event_id = i.event_id and k.position = o.original and k.received_at = i.received_at
      )
      or exists (select from refused r where r.position = o.original and r.received_at = i.received_at)
      or exists (select from tallies t where t.position = o.original and t.received_at = i.received_at)
      or exists (select from dead_letters d where d.position = o.original and d.received_at = i.received_at)
      or exists (select from replays p where p.position = o.original and p.received_at = i.received_at)
    )
  on conflict do nothing;

  if exists (
    select from unnest(positions, received_ats, topics, event_ids) as i(position, received_at, topic, event_id)
    where i.position <= the_watermark
      and not exists (
        select from event_keys k
        where k.topic = i.topic and k.event_id = i.event_id and k.position = i.position and k.received_at = i.received_at
      )
      and not exists (select from refused r where r.position = i.position and r.received_at = i.received_at)
      and not exists (select from tallies t where t.position = i.position and t.received_at = i.received_at)
      and not exists (select from dead_letters d where d.position = i.position and d.received_at = i.received_at)
      and not exists (select from replays p where p.position = i.position and p.received_at = i.received_at)
  ) then
    raise exception 'a message at or below the watermark has no row' using errcode = 'ES002';
  end if;

  return query
    select p.position, 0::smallint from replays p where p.position = any (positions)
    union all
    select d.position, 6::smallint from dead_letters d where d.position = any (positions);
end
$$;

-- Adds to the counters, in the order of their keys, so that two calls never wait for each other in a circle.
create function count_copies_v1(
  in_shard smallint,
  topics text[],
  minutes timestamptz[],
  uniques bigint[],
  duplicates bigint[],
  conflicts bigint[],
  dead_letters bigint[]
) returns void language plpgsql as $$
begin
  insert into topic_counters as c
    (topic, shard, unique_count, duplicate_count, conflict_count, dead_letter_count)
  select i.topic, in_shard, sum(i.uniques), sum(i.duplicates), sum(i.conflicts), sum(i.dead)
  from unnest(topics, uniques, duplicates, conflicts, dead_letters) as i(topic, uniques, duplicates, conflicts, dead)
  group by i.topic collate "C", i.topic
  order by i.topic collate "C"
  on conflict (topic, shard) do update set
    unique_count = c.unique_count + excluded.unique_count,
    duplicate_count = c.duplicate_count + excluded.duplicate_count,
    conflict_count = c.conflict_count + excluded.conflict_count,
    dead_letter_count = c.dead_letter_count + excluded.dead_letter_count;

  insert into minute_counters as c
    (minute, topic, shard, unique_count, duplicate_count, conflict_count, dead_letter_count)
  select i.minute, i.topic, in_shard, sum(i.uniques), sum(i.duplicates), sum(i.conflicts), sum(i.dead)
  from unnest(topics, minutes, uniques, duplicates, conflicts, dead_letters)
    as i(topic, minute, uniques, duplicates, conflicts, dead)
  group by i.minute, i.topic collate "C", i.topic
  order by i.minute, i.topic collate "C"
  on conflict (minute, topic, shard) do update set
    unique_count = c.unique_count + excluded.unique_count,
    duplicate_count = c.duplicate_count + excluded.duplicate_count,
    conflict_count = c.conflict_count + excluded.conflict_count,
    dead_letter_count = c.dead_letter_count + excluded.dead_letter_count;
end
$$;

create function require_epoch_v1(of_epoch integer) returns epochs language plpgsql as $$
declare
  this_epoch epochs;
begin
  -- First the lock, then a statement of its own: its snapshot sees an epoch opened by whoever held the lock.
  perform pg_advisory_xact_lock_shared(epoch_lock_key());
  select * into this_epoch from epochs e order by e.epoch desc limit 1;
  if this_epoch.epoch is distinct from of_epoch then
    raise exception 'epoch % is over', of_epoch using errcode = 'ES001';
  end if;
  return this_epoch;
end
$$;

-- Stores one batch, in one call and one transaction. Positions within a call are distinct.
-- Returns a row for each event that is not the stored one (the caller takes the rest as stored): outcome 3 a duplicate,
-- 4 a conflict, 6 dead-lettered before, 0 a message that an earlier epoch has settled.
-- Refuses the batch with ES001 when the epoch is over, with ES002 when a message shows that the broker has gone back,
-- with 40001 when a key vanished in between (try again).
-- enable_seqscan is off because a plan made while event_keys was small would be kept while it grows.
create function store_batch_v1(
  of_epoch integer,
  in_shard smallint,
  lowest bigint,
  positions bigint[],
  received_ats timestamptz[],
  topics text[],
  event_ids text[],
  timestamps timestamptz[],
  sources text[],
  payloads jsonb[],
  tally_positions bigint[],
  tally_received_ats timestamptz[],
  tally_groups jsonb[]
) returns table (r_position bigint, r_outcome smallint, r_first_position bigint, r_first_seen_at timestamptz)
language plpgsql set enable_seqscan = off as $$
declare
  this_epoch epochs;
  the_watermark bigint;
  given integer;
  won integer := 0;
  vanished integer;
  twisted integer;
  l_position bigint[];
  l_outcome smallint[];
  l_first_position bigint[];
  l_first_seen_at timestamptz[];
  -- What was really inserted, a line for each topic and minute.
  c_topic text[] := '{}';
  c_minute timestamptz[] := '{}';
  c_unique bigint[] := '{}';
  c_duplicate bigint[] := '{}';
  c_conflict bigint[] := '{}';
  n_topic text[];
  n_minute timestamptz[];
  n_unique bigint[];
  n_duplicate bigint[];
  n_conflict bigint[];
begin
  this_epoch := require_epoch_v1(of_epoch);

  -- 0. The rare path: messages that may have a row already. What has one is taken out of the batch.
  select w.position into the_watermark from watermark w;
  if lowest <= greatest(the_watermark, this_epoch.replay_until, (select max(d.position) from dead_letters d)) then
    return query
      select s.settled_position, s.settled_outcome, null::bigint, null::timestamptz
      from find_settled_v1(this_epoch, the_watermark, positions, received_ats, topics, event_ids) s;
    select array_agg(i.position), array_agg(i.received_at), array_agg(i.topic), array_agg(i.event_id),
           array_agg(i.ts), array_agg(i.source), array_agg(i.payload)
    into positions, received_ats, topics, event_ids, timestamps, sources, payloads
    from unnest(positions, received_ats, topics, event_ids, timestamps, sources, payloads)
      as i(position, received_at, topic, event_id, ts, source, payload)
    where not exists (select from replays p where p.position = i.position)
      and not exists (select from dead_letters d where d.position = i.position);

    perform find_settled_v1(this_epoch, the_watermark, tally_positions, tally_received_ats, null, null);
    select array_agg(i.position), array_agg(i.received_at), array_agg(i.groups)
    into tally_positions, tally_received_ats, tally_groups
    from unnest(tally_positions, tally_received_ats, tally_groups) as i(position, received_at, groups)
    where not exists (select from replays p where p.position = i.position)
      and not exists (select from dead_letters d where d.position = i.position);
  end if;
  given := coalesce(cardinality(positions), 0);

  -- 1. The keys, sorted, so that two batches take their locks in the same order; then the events of the keys won.
  if given > 0 then
    with input as (
      select * from unnest(positions, received_ats, topics, event_ids, timestamps, sources, payloads)
        as i(position, received_at, topic, event_id, ts, source, payload)
    ), won_keys as (
      insert into event_keys (topic, event_id, position, content, received_at)
      select i.topic, i.event_id, i.position, content_of(i.source, i.payload), i.received_at
      from input i
      order by i.topic collate "C", i.event_id collate "C", i.position
      on conflict do nothing
      returning position
    ), stored as (
      insert into events (position, received_at, topic, event_id, "timestamp", source, payload)
      select i.position, i.received_at, i.topic, i.event_id, i.ts, i.source, i.payload
      from input i
      where i.position in (select w.position from won_keys w)
      returning events.topic, events.received_at
    ), counted as (
      select s.topic, date_bin('1 minute', s.received_at, 'epoch') as minute, count(*) as n from stored s group by 1, 2
    )
    select array_agg(c.topic), array_agg(c.minute), array_agg(c.n), array_agg(0::bigint), coalesce(sum(c.n), 0)
    into n_topic, n_minute, n_unique, n_duplicate, won
    from counted c;
    if won > 0 then
      c_topic := n_topic; c_minute := n_minute; c_unique := n_unique; c_duplicate := n_duplicate;
      c_conflict := n_duplicate;
    end if;
  end if;

  -- 2. Only if some lost, and in a new statement: the first one's snapshot cannot see a key that another transaction
  -- committed meanwhile, though the insert waited for it.
  if won < given then
    with judged as (
      select i.*, k.position as first_position, k.received_at as first_seen_at,
             k.content is distinct from content_of(i.source, i.payload) as conflict
      from unnest(positions, received_ats, topics, event_ids, timestamps, sources, payloads)
        as i(position, received_at, topic, event_id, ts, source, payload)
      left join lateral (
        select k.* from event_keys k where k.topic = i.topic and k.event_id = i.event_id limit 1
      ) k on true
    ), lost as (
      select * from judged j where j.first_position <> j.position
    ), recorded as (
      insert into refused
        (position, received_at, topic, event_id, "timestamp", source, first_position, first_seen_at, conflict, payload)
      select l.position, l.received_at, l.topic, l.event_id, l.ts, l.source, l.first_position, l.first_seen_at,
             l.conflict, case when l.conflict then l.payload end
      from lost l
      on conflict do nothing
      returning refused.topic, refused.received_at, refused.conflict
    ), counted as (
      select r.topic, date_bin('1 minute', r.received_at, 'epoch') as minute,
             count(*) as n, count(*) filter (where r.conflict) as conflicts
      from recorded r group by 1, 2
    ), verdicts as (
      select array_agg(l.position) as positions,
             array_agg(case when l.conflict then 4 else 3 end::smallint) as outcomes,
             array_agg(l.first_position) as first_positions, array_agg(l.first_seen_at) as first_seen_ats
      from lost l
    ), counts as (
      select array_agg(c.topic) as topics, array_agg(c.minute) as minutes, array_agg(0::bigint) as uniques,
             array_agg(c.n) as duplicates, array_agg(c.conflicts) as conflicts
      from counted c
    )
    select v.positions, v.outcomes, v.first_positions, v.first_seen_ats,
           n.topics, n.minutes, n.uniques, n.duplicates, n.conflicts,
           (select count(*) from judged j where j.first_position is null),
           -- A row of this position with another timestamp: the broker gave the sequence out twice.
           (select count(*) from judged j where j.first_position = j.position and j.first_seen_at <> j.received_at)
             + (select count(*) from lost l join refused r on r.position = l.position where r.received_at <> l.received_at)
    into l_position, l_outcome, l_first_position, l_first_seen_at,
         n_topic, n_minute, n_unique, n_duplicate, n_conflict, vanished, twisted
    from verdicts v, counts n;
    if vanished > 0 then
      raise exception 'a key was removed while its repeat was judged' using errcode = '40001';
    end if;
    if twisted > 0 then
      raise exception 'a position has two timestamps' using errcode = 'ES002';
    end if;
    if n_topic is not null then
      c_topic := c_topic || n_topic; c_minute := c_minute || n_minute; c_unique := c_unique || n_unique;
      c_duplicate := c_duplicate || n_duplicate; c_conflict := c_conflict || n_conflict;
    end if;
    return query select * from unnest(l_position, l_outcome, l_first_position, l_first_seen_at);
  end if;

  if cardinality(tally_positions) > 0 then
    with recorded as (
      insert into tallies (position, received_at, copies, groups)
      select i.position, i.received_at,
             (select sum(jsonb_array_length(g -> 'event_ids')) from jsonb_array_elements(i.groups) g), i.groups
      from unnest(tally_positions, tally_received_ats, tally_groups) as i(position, received_at, groups)
      on conflict do nothing
      returning tallies.received_at, tallies.groups
    ), counted as (
      select g ->> 'topic' as topic, date_bin('1 minute', r.received_at, 'epoch') as minute,
             sum(jsonb_array_length(g -> 'event_ids'))::bigint as n
      from recorded r, jsonb_array_elements(r.groups) g group by 1, 2
    )
    select array_agg(c.topic), array_agg(c.minute), array_agg(c.n), array_agg(0::bigint)
    into n_topic, n_minute, n_duplicate, n_unique
    from counted c;
    if n_topic is not null then
      c_topic := c_topic || n_topic; c_minute := c_minute || n_minute; c_unique := c_unique || n_unique;
      c_duplicate := c_duplicate || n_duplicate; c_conflict := c_conflict || n_unique;
    end if;
  end if;

  -- 3. The counters, last and once, so that their rows are locked as briefly as can be.
  if cardinality(c_topic) > 0 then
    perform count_copies_v1(
      in_shard, c_topic, c_minute, c_unique, c_duplicate, c_conflict, array_fill(0::bigint, array[cardinality(c_topic)])
    );
  end if;
end
$$;

-- Keeps a message that can never be stored, once. False when its position has a row already.
create function dead_letter_v1(
  of_epoch integer,
  in_shard smallint,
  at_position bigint,
  at_time timestamptz,
  its_topic text,
  its_event_id text,
  its_subject text,
  its_headers jsonb,
  its_body bytea,
  its_code text,
  its_reason text,
  its_attempts integer
) returns boolean language plpgsql as $$
begin
  perform require_epoch_v1(of_epoch);
  if exists (
       select from event_keys k where k.topic = its_topic and k.event_id = its_event_id and k.position = at_position
     )
     or exists (select from refused r where r.position = at_position)
     or exists (select from tallies t where t.position = at_position)
     or exists (select from replays p where p.position = at_position) then
    return false;
  end if;
  insert into dead_letters
    (position, received_at, topic, event_id, subject, headers, body, code, reason, attempts)
  values
    (at_position, at_time, its_topic, its_event_id, its_subject, its_headers, its_body, its_code, its_reason, its_attempts)
  on conflict do nothing;
  if not found then
    return false;
  end if;
  perform count_copies_v1(
    in_shard, array[its_topic], array[date_bin('1 minute', at_time, 'epoch')],
    array[0::bigint], array[0::bigint], array[0::bigint], array[1::bigint]
  );
  return true;
end
$$;
