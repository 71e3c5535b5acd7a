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
