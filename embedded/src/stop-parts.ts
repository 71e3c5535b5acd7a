import type { Nats } from './nats-server.js';
import type { Postgres } from './postgres.js';
import type { Service } from './service.js';

export interface RunningParts {
  doors: Service[];
  workers: Service[];
  nats: Nats | undefined;
  postgres: Postgres | undefined;
}

// Together with the SIGKILLs that may follow they stay below ten seconds.
const DOORS_MS = 4_000;
const WORKERS_MS = 2_300;
const SERVERS_MS = 1_500;

/** Doors first, so that nothing new comes in; then who empties the queue; what holds the data last. */
export async function stopParts({ doors, workers, nats, postgres }: RunningParts, hurry: AbortSignal): Promise<void> {
  await Promise.all(doors.map((door) => door.stop(DOORS_MS, hurry)));
  await Promise.all(workers.map((worker) => worker.stop(WORKERS_MS, hurry)));
  const budgetMs = hurry.aborted ? 500 : SERVERS_MS;
  const immediately = () => void postgres?.stopNow();
  hurry.addEventListener('abort', immediately, { once: true });
  await Promise.all([nats?.stop(budgetMs), hurry.aborted ? postgres?.stopNow() : postgres?.stop(budgetMs)]);
}
