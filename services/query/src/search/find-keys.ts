import type { EventFilter } from '../filter/event-filter.js';
import type { Bind } from './bindings.js';
import { conditionOf } from './filter-condition.js';
import type { Page, Scan } from './scan-events.js';
import type { Stretch } from './stretches.js';

/** The events of one id in each of these topics: a look-up for each, and no more. */
export function findKeys(
  filter: EventFilter,
  { topics, eventId }: { readonly topics: readonly string[]; readonly eventId: string },
  { low, high }: Stretch,
  { descending, rows }: Page,
  bind: Bind,
): Scan {
  const found = `
    select *, true as matches
    from (
      select w.*
      from unnest(${bind(topics)}::text[]) t (topic) cross join lateral (
        select position, received_at from event_keys e
        where e.topic = t.topic and e.event_id = ${bind(eventId)} limit 1
      ) k cross join lateral (
        select * from events e where e.position = k.position and e.received_at = k.received_at limit 1
      ) w
    ) stored
    where position between ${bind(low)} and ${bind(high)} and ${conditionOf(filter, bind)}
    order by position ${descending ? 'desc' : 'asc'} limit ${bind(rows)}`;
  return { found };
}
