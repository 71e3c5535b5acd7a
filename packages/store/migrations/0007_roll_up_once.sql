-- roll_up_v1 again, with the same promises (0004_rollups.sql): each event is read once. Before, all events of a stretch were
-- counted first, to know that no other days have any, and then read again to be grouped.
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
        select e.received_at from event_keys e where e.topic = t.topic and e.event_id = t.event_id limit 1
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
