import type { World } from '../world/world.js';

/** Whatever a fault left broken is mended: the servers first, then the links, then the services. */
export async function healAll(world: World): Promise<void> {
  const { postgres, nats, links, services, direct } = world;
  if (nats.pid === undefined) await nats.restart();
  else process.kill(nats.pid, 'SIGCONT');
  if (postgres.pid === undefined) await postgres.restart();
  await direct.pool.query('alter system reset default_transaction_read_only').catch(() => undefined);
  await direct.pool.query('select pg_reload_conf()').catch(() => undefined);
  for (const link of Object.values(links)) link.set('pass');
  for (const service of services) {
    service.resume();
    if (service.pid === undefined) await service.start();
  }
}
