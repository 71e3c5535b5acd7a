import type { Fault } from './fault.js';
import { anyService, serviceNamed } from './kills.js';

/** SIGSTOP for longer than ACK_WAIT, then SIGCONT, or kill -9 while it stands still. */
export const pauseService: Fault = {
  kind: 'SIGSTOP of a service',
  target: (context) => anyService(context),
  async run(context, name) {
    const { random, sleep } = context;
    const service = serviceNamed(context, name);
    service.pause();
    await sleep(random.whole(300, 5_000));
    if (random.chance(0.3)) {
      await service.end('SIGKILL');
      await service.start();
    } else service.resume();
  },
};

/** A worker stands still for twenty seconds with what it holds, and then it is killed: others have to store that. */
export const pauseWorkerThenKill: Fault = {
  kind: 'SIGSTOP of a worker for 20 s, then kill -9',
  target: ({ world, random }) => random.pick(world.of('dedup-worker')).name,
  async run(context, name) {
    const service = serviceNamed(context, name);
    service.pause();
    await context.sleep(20_000);
    await service.end('SIGKILL');
    await context.sleep(5_000);
    await service.start();
  },
};

export const pauseNats: Fault = {
  kind: 'SIGSTOP of nats-server',
  target: () => 'nats',
  async run({ world: { nats }, random, sleep }) {
    if (nats.pid === undefined) return;
    process.kill(nats.pid, 'SIGSTOP');
    await sleep(random.whole(300, 5_000));
    if (nats.pid !== undefined) process.kill(nats.pid, 'SIGCONT');
  },
};

/** A disk that hangs: every process of Postgres stands still. */
export const pausePostgres: Fault = {
  kind: 'SIGSTOP of Postgres',
  target: () => 'postgres',
  async run({ world: { postgres, direct }, random, sleep }) {
    const { rows } = await direct.pool.query<{ pid: number }>('select pid from pg_stat_activity');
    const pids = [postgres.pid, ...rows.map(({ pid }) => pid)].filter((pid) => pid !== undefined);
    const tell = (signal: NodeJS.Signals) => {
      for (const pid of pids) {
        try {
          process.kill(pid, signal);
        } catch {
          // A backend that has ended meanwhile.
        }
      }
    };
    tell('SIGSTOP');
    await sleep(random.whole(300, 5_000));
    tell('SIGCONT');
  },
};

export const pauses: readonly Fault[] = [pauseService, pauseService, pauseService, pauseNats, pausePostgres];
