-- What is only inserted is analyzed when it has doubled: when half of the rows that it has by then are new. By default Postgres
-- does so when a tenth of them are: with five million rows, and as fast as they can come, every time that it looks for something
-- to do, and there is nothing to be learned from it.
do $$
declare
  only_inserted regclass;
begin
  for only_inserted in
    values ('event_keys'::regclass), ('refused')
    union all
    select i.inhrelid from pg_inherits i where i.inhparent = 'events'::regclass
  loop
    execute format('alter table %s set (autovacuum_analyze_scale_factor = 0.5)', only_inserted);
  end loop;
end
$$;

-- ensure_event_partition_v1 again, with the same promises (0001_functions.sql): a day of events comes with the same settings.
create or replace function ensure_event_partition_v1(day date) returns void language plpgsql as $$
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
  execute format(
    'create table %I (like events including defaults including constraints including indexes)
     with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
           autovacuum_analyze_scale_factor = 0.5)', partition
  );
  execute format(
    'alter table events attach partition %I for values from (%L) to (%L)',
    partition, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
  );
end
$$;

-- store_batch_v1 again, with the same promises (0001_functions.sql): its arrays are read where they are.
create or replace function store_batch_v1(
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
  last_dead_letter bigint;
  last_repeat bigint;
  given integer;
  won integer := 0;
  won_positions bigint[];
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
  select w.position, (select max(d.position) from dead_letters d), (select max(r.position) from refused r)
  into the_watermark, last_dead_letter, last_repeat
  from watermark w;
  if lowest <= greatest(the_watermark, this_epoch.replay_until, last_dead_letter) then
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

  -- 1. The keys, sorted, so that two batches take their locks in the same order; then the events of the keys won. While there
  -- have been no repeats for a while all are taken for new: a row costs a seventh less when nobody asks for its key
  -- beforehand. Where one was not new, nothing of it stands, and they are taken one by one. Each array has its own unnest in
  -- the select list: as one table of several arrays, each of them would be written to a place of its own and read from there.
  if given > 0 and (last_repeat is null or last_repeat < lowest - 16 * given) then
    begin
      insert into event_keys (topic, event_id, position, content, received_at)
      select i.topic, i.event_id, i.position, content_of(i.source, i.payload), i.received_at
      from (
        select unnest(positions) as position, unnest(received_ats) as received_at, unnest(topics) as topic,
               unnest(event_ids) as event_id, unnest(sources) as source, unnest(payloads) as payload
      ) i
      order by i.topic collate "C", i.event_id collate "C", i.position;

      insert into events (position, received_at, topic, event_id, "timestamp", source, payload)
      select unnest(positions), unnest(received_ats), unnest(topics), unnest(event_ids), unnest(timestamps),
             unnest(sources), unnest(payloads);

      won := given;
    exception when unique_violation then
      null;
    end;
    if won > 0 then
      select array_agg(c.topic), array_agg(c.minute), array_agg(c.n), array_agg(0::bigint)
      into c_topic, c_minute, c_unique, c_duplicate
      from (
        select i.topic, date_bin('1 minute', i.received_at, 'epoch') as minute, count(*) as n
        from (select unnest(topics) as topic, unnest(received_ats) as received_at) i group by 1, 2
      ) c;
      c_conflict := c_duplicate;
    end if;
  end if;

  if won < given then
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
    select array_agg(c.topic), array_agg(c.minute), array_agg(c.n), array_agg(0::bigint), coalesce(sum(c.n), 0),
           (select array_agg(w.position) from won_keys w)
    into n_topic, n_minute, n_unique, n_duplicate, won, won_positions
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
      -- Not "not exists": a plan that expects few rows would compare each with each.
      where i.position not in (select unnest(won_positions))
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
