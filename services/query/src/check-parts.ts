import type { BrokerNames } from '@eventsieve/contract/names';
import type { ConsumerInfo } from '@nats-io/jetstream';
import type { GatewayClient } from './gateway-client.js';
import { newestReading } from './last-position.js';
import type { Queries } from './queries.js';
import { shareNext } from './share-next.js';
import { schemaTooOld } from './sql/database.js';
import { type InFlightRow, inFlightOf, inFlightParameters, selectInFlight } from './sql/in-flight.js';

export interface Checkup {
  readonly parts: {
    readonly postgres: boolean;
    readonly nats: boolean;
    readonly gateway: boolean;
    /** Somebody pulls from the durable consumer. */
    readonly dedup_worker: boolean;
  };
  /** Undefined while neither Postgres nor the broker can be asked. */
  readonly queueSize: bigint | undefined;
}

export interface CheckDeps {
  readonly queries: Queries;
  readonly gateway: GatewayClient;
  readonly names: BrokerNames;
}

const patienceMs = 1_500;
// How long ago a worker under load may have been handed its last message and still be said to pull.
const recentMs = 15_000;

/** Looks at every part that the system leans on. Any number of probes share one look. */
export function checksParts({ queries, gateway, names }: CheckDeps): () => Promise<Checkup> {
  return shareNext(async () => {
    const [counted, answer, gatewayServes, gatewayHasBroker, workerPulls] = await Promise.all([
      within(patienceMs, countInFlight(queries)),
      queries.lastPosition.read(),
      gateway.isServing('', patienceMs),
      gateway.isServing('nats', patienceMs),
      within(patienceMs, isPulled(queries, names)),
    ]);
    const answered = typeof answer === 'object';
    return {
      parts: {
        postgres: counted !== undefined,
        nats: answered && gatewayHasBroker !== false,
        // A gateway that only lacks the broker is not the part that is down.
        gateway: gatewayServes === true || gatewayHasBroker === false,
        dedup_worker: workerPulls ?? false,
      },
      queueSize: counted ?? (answered ? answer.messages : undefined),
    };
  });
}

async function countInFlight({ database, lastPosition }: Queries): Promise<bigint | undefined> {
  const tooOld = await schemaTooOld(database);
  if (tooOld) throw tooOld;
  const reading = await newestReading(lastPosition);
  const [row] = await database.query<InFlightRow>(selectInFlight, inFlightParameters(reading));
  return row && inFlightOf(row, reading).messages;
}

async function isPulled({ lastPosition }: Queries, names: BrokerNames): Promise<boolean> {
  const jsm = await lastPosition.manager();
  if (jsm === undefined) return false;
  for await (const consumer of jsm.consumers.list(names.stream)) {
    if (consumer.name.startsWith(names.durablePrefix) && isActive(consumer)) return true;
  }
  return false;
}

/** A worker at full load may have used up its pull; then it has been handed messages a moment ago. */
function isActive({ num_waiting, num_ack_pending, delivered }: ConsumerInfo): boolean {
  if (num_waiting > 0) return true;
  // A time in text, whatever the client's types say; absent before the first delivery.
  const lastActive = Date.parse(String(delivered.last_active));
  return num_ack_pending > 0 && Date.now() - lastActive < recentMs;
}

/** Undefined when it failed or took too long. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
