import type { ServiceKind } from '../world/service.js';
import type { Fault, FaultContext } from './fault.js';

const kinds: readonly ServiceKind[] = ['gateway', 'dedup-worker', 'query'];

export function serviceNamed({ world }: FaultContext, name: string) {
  const service = world.services.find((each) => each.name === name);
  if (service === undefined) throw new Error(`there is no ${name}`);
  return service;
}

export function anyService(context: FaultContext, among: readonly ServiceKind[] = kinds): string {
  const kind = context.random.pick(among);
  return context.random.pick(context.world.of(kind)).name;
}

/** kill -9, and a new process after a while. */
export const killService: Fault = {
  kind: 'kill -9 of a service',
  target: (context) => anyService(context),
  async run(context, name) {
    const service = serviceNamed(context, name);
    await service.end('SIGKILL');
    await context.sleep(context.random.whole(0, 1_500));
    await service.start();
  },
};

export const killNats: Fault = {
  kind: 'kill -9 of nats-server',
  target: () => 'nats',
  async run({ world: { nats }, random, sleep }) {
    await nats.kill();
    await sleep(random.whole(0, 2_000));
    await nats.restart();
  },
};

export const killPostgres: Fault = {
  kind: 'kill -9 of Postgres',
  target: () => 'postgres',
  async run({ world: { postgres }, random, sleep }) {
    await postgres.kill();
    await sleep(random.whole(0, 2_000));
    await postgres.restart();
  },
};

export const kills: readonly Fault[] = [killService, killService, killService, killNats, killPostgres];
