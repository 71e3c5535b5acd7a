import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import { EventStatus, type GetEventRequest, type GetEventResponse } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { instantOfMicros } from '../instant.js';
import { type BrokerAnswer, lastPositionOf } from '../last-position.js';
import { lookupFaults } from '../lookup-text.js';
import type { Queries } from '../queries.js';
import { type EventRow, eventColumns, payloadFormatFaults, storedEventOf } from '../sql/event-row.js';

type EventQueries = Pick<Queries, 'database' | 'lastPosition' | 'lookupPatienceMs'>;

const pollMs = 25;

/**
 * What became of one id. "Never seen" is said only of a moment when everything that the broker held as the question came
 * has been stored: so the broker is asked first, and Postgres after it. Until then it is pending.
 */
export async function getEvent(queries: EventQueries, request: GetEventRequest): Promise<GetEventResponse> {
  const { topic, eventId, payloadFormat } = request;
  const faults = [...lookupFaults({ topic, event_id: eventId }), ...payloadFormatFaults(payloadFormat)];
  for (const [field, text] of Object.entries({ topic, event_id: eventId })) {
    if (text === '') faults.push({ field, message: 'must not be empty' });
  }
  if (faults.length > 0) throw invalid(faults);

  const giveUpAt = Date.now() + queries.lookupPatienceMs;
  let answer = await queries.lastPosition.read();
  for (;;) {
    const [row] = await queries.database.query<LookupRow>(lookUp, [topic, eventId]);
    if (row === undefined) throw new Error('the watermark has no row');
    const found = foundIn(row, request);
    if (found !== undefined) return found;
    const conclusion = await conclude(queries, answer, row);
    if (conclusion === 'never-seen') {
      throw new EventsieveError('NOT_FOUND', 'this event was never seen', { reason: 'NEVER_SEEN' });
    }
    if (conclusion === 'unknown' || Date.now() > giveUpAt) return pending;
    // The answer is kept while it can be placed: a later one would move the goal on, for as long as events come in.
    if (conclusion === 'ask-again') answer = await queries.lastPosition.read();
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

const pending: GetEventResponse = { status: EventStatus.EVENT_STATUS_PENDING, event: undefined };

function foundIn(row: LookupRow, { topic, eventId, payloadFormat }: GetEventRequest): GetEventResponse | undefined {
  if (row.position !== null) {
    return { status: EventStatus.EVENT_STATUS_STORED, event: storedEventOf(row as EventRow, payloadFormat) };
  }
  if (row.key_position !== null) {
    const event = { topic, eventId, source: '', timestamp: undefined };
    const receivedAt = instantOfMicros(BigInt(row.key_received_at_us ?? 0));
    return {
      status: EventStatus.EVENT_STATUS_EXPIRED,
      event: { event, position: BigInt(row.key_position), receivedAt },
    };
  }
  return row.dead_lettered ? { status: EventStatus.EVENT_STATUS_DEAD_LETTERED, event: undefined } : undefined;
}

type Conclusion = 'never-seen' | 'wait' | 'ask-again' | 'unknown';

async function conclude({ lastPosition }: EventQueries, answer: BrokerAnswer, row: LookupRow): Promise<Conclusion> {
  if (answer === 'away') return 'unknown';
  const streamCreated = row.stream_created ?? undefined;
  // Without a stream nothing waits in it; but one that had epochs before may have been lost with what it held.
  if (answer === 'no-stream') return streamCreated === undefined ? 'never-seen' : 'unknown';
  if (answer.lastSequence === 0n) return 'never-seen';
  const bearings = { base: BigInt(row.base ?? 0), streamCreated };
  const last = lastPositionOf(answer, bearings);
  if (last === undefined) return 'ask-again';
  if (BigInt(row.watermark) < last) return 'wait';
  const known = BigInt(row.known);
  if (known <= last) return 'never-seen';
  // A worker saw a later position than the broker gave as its last: since it was asked, more came in, or it has gone
  // back to an older state, and then the watermark says nothing of the messages that wait in it now.
  const later = await lastPosition.read();
  if (typeof later !== 'object') return 'unknown';
  const laterLast = lastPositionOf(later, bearings);
  return laterLast !== undefined && laterLast >= known ? 'never-seen' : 'ask-again';
}

type LookupRow = { readonly [column in keyof EventRow]: EventRow[column] | null } & {
  readonly watermark: string;
  readonly known: string;
  readonly base: string | null;
  readonly stream_created: string | null;
  readonly key_position: string | null;
  readonly key_received_at_us: string | null;
  readonly dead_lettered: boolean;
};

const lookUp = `
  select w.position as watermark, w.known, e.base, e.stream_created, k.position as key_position,
         (extract(epoch from k.received_at) * 1000000)::bigint as key_received_at_us,
         exists (select from dead_letters d where d.topic = $1 and d.event_id = $2) as dead_lettered,
         s.*
  from watermark w
  left join (select base, stream_created from epochs order by epoch desc limit 1) e on true
  left join event_keys k on k.topic = $1 and k.event_id = $2
  left join lateral (
    select ${eventColumns} from events where position = k.position and received_at = k.received_at limit 1
  ) s on true`;
