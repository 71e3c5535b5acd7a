import type { World } from '../world/world.js';
import { type Finding, findingOf } from './finding.js';

interface Page {
  readonly events: readonly { readonly id: string; readonly topic: string }[];
  readonly next_cursor: string | null;
}

/** I7: a read of every page shows every stored event once, in the order of their positions. */
export async function checkPagedRead({ direct }: World): Promise<Finding[]> {
  const read: string[] = [];
  let cursor: string | null = null;
  do {
    const response = await fetch(`${direct.http}/events?limit=1000${cursor === null ? '' : `&cursor=${cursor}`}`);
    if (!response.ok) return [{ check: 'I7', what: `a page answered ${response.status}: ${await response.text()}` }];
    const page = (await response.json()) as Page;
    read.push(...page.events.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);

  const { rows } = await direct.pool.query<{ position: string }>('select position from events order by position');
  const stored = rows.map(({ position }) => position);
  const seen = new Set(read);
  return [
    ...findingOf(
      'I7',
      'stored and not read',
      stored.filter((position) => !seen.has(position)),
    ),
    ...(read.length === seen.size ? [] : [{ check: 'I7', what: `${read.length - seen.size} events were read twice` }]),
    ...findingOf(
      'I7',
      'out of order',
      read.filter((id, i) => i > 0 && BigInt(id) <= BigInt(read[i - 1] as string)),
    ),
  ];
}
