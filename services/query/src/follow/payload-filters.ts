import { EventsieveError } from '@eventsieve/contract/errors';

/** A payload that followers ask for. Whether an event contains it is Postgres' to say, when the event is read. */
export interface PayloadFilter {
  readonly text: string;
  /** Of events after this position it was asked; undefined before the first question. */
  askedAfter: bigint | undefined;
}

export interface PayloadFilters {
  take(text: string): PayloadFilter;
  release(filter: PayloadFilter): void;
  present(): readonly PayloadFilter[];
}

/** Followers with the same payload share one filter. Each costs Postgres something for every event, so they are bounded. */
export function createPayloadFilters(max: number): PayloadFilters {
  const filters = new Map<string, { readonly filter: PayloadFilter; followers: number }>();
  return {
    take(text) {
      const known = filters.get(text);
      if (known === undefined && filters.size >= max) {
        const message = `others follow ${max} different payloads already; try again when one of them has ended`;
        throw new EventsieveError('RESOURCE_EXHAUSTED', message, {
          reason: 'TOO_MANY_PAYLOAD_FILTERS',
          retryAfterMs: 5_000,
        });
      }
      const entry = known ?? { filter: { text, askedAfter: undefined }, followers: 0 };
      entry.followers++;
      filters.set(text, entry);
      return entry.filter;
    },
    release({ text }) {
      const entry = filters.get(text);
      if (entry !== undefined && --entry.followers === 0) filters.delete(text);
    },
    present: () => [...filters.values()].map(({ filter }) => filter),
  };
}
