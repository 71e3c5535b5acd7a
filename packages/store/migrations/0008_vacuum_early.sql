-- What is only inserted is vacuumed while it is still in memory. By default Postgres waits until a table has grown by a fifth:
-- in a large one its pages have been written by then, a checkpoint has passed, and the vacuum reads them back, puts a whole
-- image of each into the log and has them written once more.
do $$
declare
  only_inserted regclass;
begin
  for only_inserted in
    values ('event_keys'::regclass), ('refused')
    union all
    select i.inhrelid from pg_inherits i where i.inhparent = 'events'::regclass
  loop
    execute format(
      'alter table %s set (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000)',
      only_inserted
    );
  end loop;
end
$$;

-- ensure_event_partition_v1 again, with the same promises (0001_functions.sql): a day of events comes with the same setting.
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
     with (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000)', partition
  );
  execute format(
    'alter table events attach partition %I for values from (%L) to (%L)',
    partition, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
  );
end
$$;
