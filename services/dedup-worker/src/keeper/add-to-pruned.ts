/** As a part of a statement: adds what the query `gone` has, grouped, to the sums of what was removed. */
export const addToPruned = (gone: string) => `
  insert into pruned as p
    (kind, topic, day, row_count, position_xor, mark_xor, duplicate_count, conflict_count, redriven_count, last_position)
  ${gone}
  on conflict (kind, topic, day) do update set
    row_count = p.row_count + excluded.row_count,
    position_xor = p.position_xor # excluded.position_xor,
    mark_xor = p.mark_xor # excluded.mark_xor,
    duplicate_count = p.duplicate_count + excluded.duplicate_count,
    conflict_count = p.conflict_count + excluded.conflict_count,
    redriven_count = p.redriven_count + excluded.redriven_count,
    last_position = greatest(p.last_position, excluded.last_position)`;

export const utcDay = "(received_at at time zone 'UTC')::date";
