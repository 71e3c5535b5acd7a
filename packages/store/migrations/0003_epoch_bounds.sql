-- What the stream held when an epoch opened on it. An older copy of a broker's store begins somewhere in the middle: the
-- sequences before that were stored under the positions of an earlier epoch, and are not given out in this one.
alter table epochs
  add column first_found bigint,
  add column last_found bigint;

create function open_epoch_v2(
  expected integer, created text, first_sequence bigint, last_sequence bigint, why text
) returns table (epoch integer, base bigint, stream_created text, replay_until bigint) language plpgsql as $$
#variable_conflict use_column
begin
  return query select * from open_epoch_v1(expected, created, first_sequence, last_sequence, why);
  -- The lock is held on: whoever opened it before has filled these in, or is of an older version.
  update epochs e
  set first_found = e.base + greatest(first_sequence, 1), last_found = e.base + last_sequence
  where e.epoch = expected + 1 and e.first_found is null;
end
$$;

-- The same function, mended: an epoch may begin where the one before began, when nothing had become known in between.
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
