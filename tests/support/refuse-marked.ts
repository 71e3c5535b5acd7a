import type { Pool } from 'pg';

const functionOf = (rule: string) => `
  create or replace function refuse_marked() returns trigger language plpgsql as $$
  begin
    ${rule}
    return new;
  end $$`;

/** A rule of the database's own that refuses payloads with "marked"; what comes back lifts it. */
export async function refuseMarked(pool: Pool): Promise<() => Promise<unknown>> {
  const refuse = "raise exception 'marked payloads are refused' using errcode = '22023';";
  await pool.query(functionOf(`if new.payload ? 'marked' then ${refuse} end if;`));
  await pool.query(
    'create trigger refuse_marked before insert on events for each row execute function refuse_marked()',
  );
  // To drop the trigger would lock the table against those who read its counts all the time.
  return () => pool.query(functionOf(''));
}
