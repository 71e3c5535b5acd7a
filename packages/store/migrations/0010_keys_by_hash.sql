-- Keys are found by 128 bits of hash instead of by their texts, whose index was more than twice as large (decision 17). It is the
-- texts that count: a copy whose hash another event has, should that ever be seen, is no repeat of it, but cannot be kept.
create function key_high_v1(topic text, event_id text) returns bigint language sql immutable parallel safe as $$
  select hashtextextended(event_id, hashtextextended(topic, 0))
$$;
create function key_low_v1(topic text, event_id text) returns bigint language sql immutable parallel safe as $$
  select hashtextextended(event_id, hashtextextended(topic, 1))
$$;

create unique index event_keys_once on event_keys (key_high_v1(topic, event_id), key_low_v1(topic, event_id));
alter table event_keys drop constraint event_keys_pkey;
-- Retention removes rows, and who replicates the table has to know which.
alter table event_keys replica identity full;

-- The key of an event, if it was taken. A plan has its own words in its place, so it costs nothing to ask this way.
create function find_key_v1(its_topic text, its_event_id text) returns setof event_keys language sql stable parallel safe as $$
  select k.* from event_keys k
  where key_high_v1(k.topic, k.event_id) = key_high_v1(its_topic, its_event_id)
    and key_low_v1(k.topic, k.event_id) = key_low_v1(its_topic, its_event_id)
    and k.topic = its_topic and k.event_id = its_event_id
$$;

-- find_settled_v1 again, with the same promises (0003_epoch_bounds.sql).
create or replace function find_settled_v1(
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
  -- With the same base the same position would be found: the message itself, handed out again.
  join epochs e on e.epoch < this_epoch.epoch and e.base < this_epoch.base
  cross join lateral (select e.base + i.position - this_epoch.base as original) o
  where i.position <= this_epoch.replay_until
    and (
      exists (
        select from find_key_v1(i.topic, i.event_id) k where k.position = o.original and k.received_at = i.received_at
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
        select from find_key_v1(i.topic, i.event_id) k where k.position = i.position and k.received_at = i.received_at
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

-- dead_letter_v1 again, with the same promises (0001_functions.sql).
create or replace function dead_letter_v1(
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
  if exists (select from find_key_v1(its_topic, its_event_id) k where k.position = at_position)
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

-- roll_up_v1 again, with the same promises (0007_roll_up_once.sql).
create or replace function roll_up_v1(most integer) returns boolean language plpgsql
set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  -- No gateway lets a longer source or topic pass. What comes past it is counted under its beginning: two of the longest
  -- fit into one entry of an index.
  longest constant integer := 255;
  chapter_size constant bigint := 4096;
  -- In microseconds, the least that is more than each power of two in milliseconds.
  gap_bounds constant bigint[] := array(select (1000::bigint << n) + 1 from generate_series(0, 41) n order by n);
  done rollup;
  step record;
  settled bigint;
  reached bigint;
  crowded bigint;
  chapter_end bigint;
  seen_at timestamptz;
  since timestamptz;
  until timestamptz;
  everywhere boolean := false;
begin
  select * into done from rollup for update skip locked;
  if not found then
    return null;
  end if;
  select w.position into settled from watermark w;
  if done.position >= settled then
    return false;
  end if;
  chapter_end := (done.position / chapter_size + 1) * chapter_size;
  reached := least(done.position + greatest(most, 1), settled, chapter_end);

  -- One tally may count a thousand copies. The first one is taken however many they are.
  select t.position into crowded
  from (
    select c.position, sum(c.copies) over (order by c.position) as copies
    from tallies c where c.position > done.position and c.position <= reached
  ) t
  where t.copies > most order by t.position limit 1;
  if crowded is not null then
    reached := greatest(crowded - 1, done.position + 1);
  end if;

  -- Each position has one row. Where the days around the last one have as many as there are positions, no other has any,
  -- and what was counted is written in the same statement.
  seen_at := coalesce(done.received_to, (select c.received_to from chapters c order by c.first_position desc limit 1));
  since := seen_at - interval '1 day';
  until := seen_at + interval '2 days';
  loop
    with stored as (
      select e.source, e.topic, count(*) as n,
             min(e.received_at) as received_from, max(e.received_at) as received_to,
             min(e."timestamp") as happened_from, max(e."timestamp") as happened_to
      from events e
      where e.position > done.position and e.position <= reached and e.received_at >= since and e.received_at < until
      group by e.source, e.topic
    ), complete as (
      select where everywhere or (select coalesce(sum(s.n), 0) from stored s)
        + (select count(*) from refused r where r.position > done.position and r.position <= reached)
        + (select count(*) from tallies t where t.position > done.position and t.position <= reached)
        + (select count(*) from dead_letters d where d.position > done.position and d.position <= reached)
        + (select count(*) from replays p where p.position > done.position and p.position <= reached)
        = reached - done.position
    ), tallied as (
      select g.value ->> 'source' collate "C" as source, g.value ->> 'topic' collate "C" as topic, i.value as event_id,
             t.received_at
      from tallies t, jsonb_array_elements(t.groups) g, jsonb_array_elements_text(g.value -> 'event_ids') i
      where t.position > done.position and t.position <= reached
    ), repeats as (
      select left(r.source, longest) as source, left(r.topic, longest) as topic, r.conflict, r.received_at - r.first_seen_at as gap
      from refused r where r.position > done.position and r.position <= reached
      union all
      select left(t.source, longest), left(t.topic, longest), false, t.received_at - k.received_at
      from tallied t left join lateral (
        select e.received_at from find_key_v1(t.topic, t.event_id) e limit 1
      ) k on true
    ), grouped as (
      select r.source, r.topic, r.conflict, count(*) as n,
             coalesce(width_bucket((extract(epoch from r.gap) * 1000000)::bigint, gap_bounds), 0)::smallint as bucket
      from repeats r group by r.source, r.topic, r.conflict, bucket
    ), counted as (
      select c.source, c.topic, sum(c.uniques) as uniques, sum(c.duplicates) as duplicates, sum(c.conflicts) as conflicts
      from (
        select left(s.source, longest) as source, left(s.topic, longest) as topic, s.n as uniques, 0 as duplicates, 0 as conflicts
        from stored s
        union all
        select g.source, g.topic, 0, g.n, case when g.conflict then g.n else 0 end from grouped g
      ) c group by c.source, c.topic
    ), sources_added as (
      insert into source_counters as c (source, topic, unique_count, duplicate_count, conflict_count)
      select n.source, n.topic, n.uniques, n.duplicates, n.conflicts from counted n
      where exists (select from complete)
      on conflict (source, topic) do update set
        unique_count = c.unique_count + excluded.unique_count,
        duplicate_count = c.duplicate_count + excluded.duplicate_count,
        conflict_count = c.conflict_count + excluded.conflict_count
    ), gaps_added as (
      insert into gap_counters as c (source, topic, bucket, duplicate_count)
      select g.source, g.topic, g.bucket, sum(g.n) from grouped g where exists (select from complete)
      group by g.source, g.topic, g.bucket
      on conflict (source, topic, bucket) do update set
        duplicate_count = c.duplicate_count + excluded.duplicate_count
    )
    select exists (select from complete) as complete,
           (select coalesce(sum(n.uniques + n.duplicates), 0) from counted n) as copies,
           coalesce(sum(s.n), 0) as events,
           min(s.received_from) as received_from, max(s.received_to) as received_to,
           min(s.happened_from) as happened_from, max(s.happened_to) as happened_to
    into step
    from stored s;
    exit when step.complete;
    everywhere := true;
    since := '-infinity';
    until := 'infinity';
  end loop;

  done.copies := done.copies + step.copies;
  done.events := done.events + step.events;
  done.received_from := least(done.received_from, step.received_from);
  done.received_to := greatest(done.received_to, step.received_to);
  done.happened_from := least(done.happened_from, step.happened_from);
  done.happened_to := greatest(done.happened_to, step.happened_to);

  -- Where an epoch began there may be millions of positions without a row: on to the next that has one.
  if step.copies = 0 and reached < settled then
    select least(
      (select e.position from events e where e.position > reached order by e.position limit 1),
      (select r.position from refused r where r.position > reached order by r.position limit 1),
      (select t.position from tallies t where t.position > reached order by t.position limit 1),
      settled + 1
    ) - 1 into reached;
  end if;

  if reached >= chapter_end then
    insert into chapters values (
      chapter_end - chapter_size + 1, chapter_end, done.events,
      done.received_from, done.received_to, done.happened_from, done.happened_to
    );
    if reached / chapter_size * chapter_size > chapter_end then
      insert into chapters values (chapter_end + 1, reached / chapter_size * chapter_size, 0);
    end if;
    done.events := 0;
    done.received_from := null; done.received_to := null;
    done.happened_from := null; done.happened_to := null;
  end if;
  update rollup set
    position = reached, copies = done.copies, events = done.events,
    received_from = done.received_from, received_to = done.received_to,
    happened_from = done.happened_from, happened_to = done.happened_to, updated_at = clock_timestamp();
  return reached < settled;
end
$$;

-- store_batch_v1 again, with the same promises (0009_take_for_new.sql). Its batches take their locks in the order of the hashes.
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
  -- beforehand. Where one was not new, nothing of it stands, and they are taken one by one.
  if given > 0 and (last_repeat is null or last_repeat < lowest - 16 * given) then
    begin
      insert into event_keys (topic, event_id, position, content, received_at)
      select i.topic, i.event_id, i.position, content_of(i.source, i.payload), i.received_at
      from unnest(positions, received_ats, topics, event_ids, sources, payloads)
        as i(position, received_at, topic, event_id, source, payload)
      order by key_high_v1(i.topic, i.event_id), key_low_v1(i.topic, i.event_id), i.position;

      insert into events (position, received_at, topic, event_id, "timestamp", source, payload)
      select i.position, i.received_at, i.topic, i.event_id, i.ts, i.source, i.payload
      from unnest(positions, received_ats, topics, event_ids, timestamps, sources, payloads)
        as i(position, received_at, topic, event_id, ts, source, payload);

      won := given;
    exception when unique_violation then
      null;
    end;
    if won > 0 then
      select array_agg(c.topic), array_agg(c.minute), array_agg(c.n), array_agg(0::bigint)
      into c_topic, c_minute, c_unique, c_duplicate
      from (
        select i.topic, date_bin('1 minute', i.received_at, 'epoch') as minute, count(*) as n
        from unnest(topics, received_ats) as i(topic, received_at) group by 1, 2
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
      order by key_high_v1(i.topic, i.event_id), key_low_v1(i.topic, i.event_id), i.position
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
        select k.* from find_key_v1(i.topic, i.event_id) k limit 1
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
      if exists (
        select from unnest(topics, event_ids) as i(topic, event_id)
        join event_keys k on key_high_v1(k.topic, k.event_id) = key_high_v1(i.topic, i.event_id)
          and key_low_v1(k.topic, k.event_id) = key_low_v1(i.topic, i.event_id)
        where (k.topic, k.event_id) <> (i.topic, i.event_id)
      ) then
        raise exception 'another event has the same hash of topic and id' using errcode = '22000';
      end if;
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
