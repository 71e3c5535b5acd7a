-- A dead letter can be sent through again (redriven) or given up (discarded). The message that redrives it has a
-- position of its own, with a row of its own; the call that stores it turns the dead letter's state in the same
-- transaction, so the copy counts once however often it is sent.
alter table dead_letters
  add column state text not null default 'open' check (state in ('open', 'redriven', 'discarded')),
  -- Since when; null while open.
  add column state_since timestamptz,
  add column redriven_position bigint,
  -- A value of eventsieve.v1.Outcome.
  add column redrive_outcome smallint,
  -- The dead letter that this one's message was sent for.
  add column redrive_of bigint;
create index dead_letters_open on dead_letters (position) where state = 'open';

-- Redrives under way: written before the message is sent, removed by the call that settles it. A redrive is no copy, so
-- whoever counts what is in flight leaves these out.
create table redrives (
  sending bigint generated always as identity primary key,
  dead_letter bigint not null,
  sent_at timestamptz not null default clock_timestamp(),
  -- As soon as the broker has said it.
  position bigint
);

create function count_redriven_v1(in_shard smallint, its_topic text, at_time timestamptz) returns void
language plpgsql as $$
begin
  insert into topic_counters as c (topic, shard, redriven_count) values (its_topic, in_shard, 1)
  on conflict (topic, shard) do update set redriven_count = c.redriven_count + 1;
  insert into minute_counters as c (minute, topic, shard, redriven_count)
  values (date_bin('1 minute', at_time, 'epoch'), its_topic, in_shard, 1)
  on conflict (minute, topic, shard) do update set redriven_count = c.redriven_count + 1;
end
$$;

-- Locks the dead letter that a message redrives, and says whether this message is the one that does it. It is not when
-- another one has done it: then this one is no copy, and its position is recorded as that. A dead letter that is not
-- there (the database was put back to an older state) makes the message a copy like any other.
create function begin_redrive_v1(
  of_epoch integer,
  of_sending bigint,
  original bigint,
  at_position bigint,
  at_time timestamptz,
  out letter dead_letters,
  out surplus boolean
) language plpgsql as $$
begin
  perform require_epoch_v1(of_epoch);
  select * into letter from dead_letters d where d.position = original for update;
  surplus := coalesce(letter.state = 'redriven' and letter.redriven_position <> at_position, false);
  if surplus then
    if at_position <= (select w.position from watermark w)
       and not exists (select from replays p where p.position = at_position and p.received_at = at_time) then
      raise exception 'a message at or below the watermark has no row' using errcode = 'ES002';
    end if;
    insert into replays (position, received_at, original)
    values (at_position, at_time, letter.redriven_position)
    on conflict do nothing;
  end if;
  delete from redrives r where r.sending = of_sending;
end
$$;

create function end_redrive_v1(
  in_shard smallint,
  letter dead_letters,
  at_position bigint,
  at_time timestamptz,
  outcome smallint
) returns void language plpgsql as $$
begin
  -- Redelivered, or without a dead letter: nothing is turned, nothing counted.
  if letter.position is null or letter.state = 'redriven' then
    return;
  end if;
  update dead_letters d
  set state = 'redriven', state_since = clock_timestamp(), redriven_position = at_position, redrive_outcome = outcome
  where d.position = letter.position;
  perform count_redriven_v1(in_shard, letter.topic, at_time);
end
$$;

-- Stores one message that redrives a dead letter: a copy, or when its_groups is given a tally. Returns its outcome (0 for
-- a message that is none of its own), and raises what store_batch_v1 raises.
create function store_redrive_v1(
  of_epoch integer,
  in_shard smallint,
  of_sending bigint,
  original bigint,
  at_position bigint,
  at_time timestamptz,
  its_topic text,
  its_event_id text,
  its_timestamp timestamptz,
  its_source text,
  its_payload jsonb,
  its_groups jsonb
) returns table (r_outcome smallint, r_first_seen_at timestamptz) language plpgsql as $$
declare
  redrive record;
begin
  select * into redrive from begin_redrive_v1(of_epoch, of_sending, original, at_position, at_time);
  if redrive.surplus then
    r_outcome := 0;
    return next;
    return;
  end if;
  if its_groups is null then
    select coalesce(max(b.r_outcome), 2), max(b.r_first_seen_at) into r_outcome, r_first_seen_at
    from store_batch_v1(
      of_epoch, in_shard, at_position,
      array[at_position], array[at_time], array[its_topic], array[its_event_id], array[its_timestamp],
      array[its_source], array[its_payload], '{}', '{}', '{}'
    ) b;
  else
    select coalesce(max(b.r_outcome), 3) into r_outcome
    from store_batch_v1(
      of_epoch, in_shard, at_position, '{}', '{}', '{}', '{}', '{}', '{}', '{}',
      array[at_position], array[at_time], array[its_groups]
    ) b;
  end if;
  if r_outcome <> 0 then
    perform end_redrive_v1(in_shard, redrive.letter, at_position, at_time, r_outcome);
  end if;
  return next;
end
$$;

-- As dead_letter_v1, but knows a message that an older copy of the broker's store brought back, and notices a broker that
-- has gone back. store_batch_v1 would, but a value that cannot be read fails before the function begins.
create function dead_letter_v2(
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
declare
  this_epoch epochs;
begin
  -- Alone: another worker may be storing this very message, under a rule that has just changed.
  perform pg_advisory_xact_lock(epoch_lock_key());
  this_epoch := require_epoch_v1(of_epoch);
  if exists (
    select from find_settled_v1(
      this_epoch, (select w.position from watermark w),
      array[at_position], array[at_time], array[its_topic], array[its_event_id]
    )
  ) then
    return false;
  end if;
  return dead_letter_v1(
    of_epoch, in_shard, at_position, at_time, its_topic, its_event_id, its_subject, its_headers, its_body, its_code,
    its_reason, its_attempts
  );
end
$$;

-- Keeps a message that redrives a dead letter and can no more be stored than that one.
create function dead_letter_again_v1(
  of_epoch integer,
  in_shard smallint,
  of_sending bigint,
  original bigint,
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
declare
  redrive record;
begin
  -- Alone: another worker may be storing this very message, under a rule that has just changed.
  perform pg_advisory_xact_lock(epoch_lock_key());
  select * into redrive from begin_redrive_v1(of_epoch, of_sending, original, at_position, at_time);
  if redrive.surplus then
    return false;
  end if;
  if not dead_letter_v2(
    of_epoch, in_shard, at_position, at_time, its_topic, its_event_id, its_subject, its_headers, its_body, its_code,
    its_reason, its_attempts
  ) then
    return false;
  end if;
  update dead_letters d set redrive_of = original where d.position = at_position;
  perform end_redrive_v1(in_shard, redrive.letter, at_position, at_time, 6::smallint);
  return true;
end
$$;
