import type { LinkName } from '../world/world.js';
import type { Fault, FaultContext } from './fault.js';
import { anyService, serviceNamed } from './kills.js';

const pollMs = 10;
const patienceMs = 1_500;

const rows = ({ world }: FaultContext) =>
  world.direct.pool
    .query<{ n: string }>('select (select count(*) from event_keys) + (select count(*) from refused) as n')
    .then((found) => Number(found.rows[0]?.n))
    .catch(() => undefined);

/** Waits a moment for rows that were not there; it is no matter when none come. */
async function untilMoreRows(context: FaultContext): Promise<void> {
  const before = await rows(context);
  const giveUpAtMs = Date.now() + patienceMs;
  while (Date.now() < giveUpAtMs && !context.ending()) {
    const now = await rows(context);
    if (now !== undefined && before !== undefined && now > before) return;
    await context.sleep(pollMs);
  }
}

/** Holds what passes a link until something has happened behind it, then kills who waits for it. */
function killAt(kind: string, link: LinkName, mode: 'hold-requests' | 'hold-answers', victims: string): Fault {
  return {
    kind,
    target: () => `${link} and ${victims}`,
    async run(context) {
      const { world } = context;
      world.links[link].set(mode);
      await untilMoreRows(context);
      const services = world.services.filter(({ name }) => name.startsWith(victims));
      await Promise.all(services.map((service) => service.end('SIGKILL')));
      world.links[link].reset();
      world.links[link].set('pass');
      await Promise.all(services.map((service) => service.start()));
    },
  };
}

/** The broker has it and has said so; the publisher never hears of it. */
export const killAfterPubAck = killAt(
  'gateway killed after the PubAck, before the answer',
  'publisher-gateway',
  'hold-answers',
  'gateway',
);
/** Postgres has committed; the worker does not know. */
export const killInsideStoring = killAt(
  'worker killed inside the storing call',
  'worker-postgres',
  'hold-answers',
  'worker',
);
/** Committed, and no ack has left. */
export const killBeforeAck = killAt(
  'worker killed after the commit, before the ack',
  'worker-nats',
  'hold-requests',
  'worker',
);

/** SIGTERM, and kill -9 while it drains. */
export const killInDrain: Fault = {
  kind: 'service killed during its drain',
  target: (context) => anyService(context),
  async run(context, name) {
    const service = serviceNamed(context, name);
    const ended = service.end('SIGTERM');
    await context.sleep(context.random.whole(0, 150));
    await service.end('SIGKILL').catch(() => undefined);
    await ended;
    await service.start();
  },
};

export const moments: readonly Fault[] = [killAfterPubAck, killInsideStoring, killBeforeAck, killInDrain];
