import { EventsieveError, invalid } from '@eventsieve/contract/errors';
import {
  type EraseEventsRequest,
  type EraseEventsResponse,
  EventStatus,
} from '@eventsieve/contract/gen/eventsieve/v1/query';
import { eraseStep, highestOf } from '../erase/erase-step.js';
import { areRedriven, beingRedriven, notYet } from '../erase/redrives-under-way.js';
import type { Target } from '../erase/target.js';
import { lookupFaults } from '../lookup-text.js';
import type { Queries } from '../queries.js';
import { getEvent } from './get-event.js';

type EraseQueries = Pick<Queries, 'database' | 'lastPosition' | 'lookupPatienceMs' | 'erasePatienceMs'>;

const pollMs = 25;
/** After so long a caller hears how far it came, and calls again. */
const workMs = 3_000;

/**
 * Removes for good what one event or the events of a topic carried. Only what is settled can go: below the watermark, and
 * counted by source. What is stored or redriven at the moment of the call is waited for.
 */
export async function eraseEvents(queries: EraseQueries, request: EraseEventsRequest): Promise<EraseEventsResponse> {
  const { topic, eventId } = request;
  const faults = lookupFaults({ topic, event_id: eventId });
  if (topic === '') faults.push({ field: 'topic', message: 'must not be empty' });
  if (faults.length > 0) throw invalid(faults);

  const target = { topic, eventId };
  await requireSeen(queries, target);
  await untilSettled(queries, target);
  const giveUpAt = Date.now() + workMs;
  let erased = 0n;
  for (;;) {
    const step = await queries.database.inTransaction((transaction) => eraseStep(transaction, target)).catch(orLater);
    erased += BigInt(step.events);
    if (!step.more || Date.now() > giveUpAt) return { erased, more: step.more };
  }
}

async function requireSeen(queries: EraseQueries, { topic, eventId }: Target): Promise<void> {
  if (eventId !== '') {
    const { status } = await getEvent(queries, { topic, eventId, payloadFormat: 0 });
    if (status !== EventStatus.EVENT_STATUS_PENDING) return;
    throw notYet('this event is not stored yet');
  }
  const [known] = await queries.database.query('select from topic_counters where topic = $1 limit 1', [topic]);
  if (known !== undefined) return;
  throw new EventsieveError('NOT_FOUND', 'nothing of this topic is stored', { reason: 'NEVER_SEEN' });
}

async function untilSettled({ database, erasePatienceMs }: EraseQueries, target: Target): Promise<void> {
  const giveUpAt = Date.now() + erasePatienceMs;
  async function until(isSo: () => Promise<boolean>, otherwise: () => Error): Promise<void> {
    while (!(await isSo())) {
      if (Date.now() > giveUpAt) throw otherwise();
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  await until(async () => !(await areRedriven(database, target)), beingRedriven);
  const highest = await highestOf(database, target);
  const isSettled = async () => {
    const [row] = await database.query<{ up_to: string }>('select removable_up_to_v1() as up_to');
    return BigInt(row?.up_to ?? 0) >= highest;
  };
  await until(isSettled, () => notYet('it was stored a moment ago, and cannot be erased before it is settled'));
}

const lockTimeout = '55P03';

function orLater(error: unknown): never {
  if ((error as { code?: unknown } | null)?.code === lockTimeout) throw notYet('rows are being removed at the moment');
  throw error;
}
