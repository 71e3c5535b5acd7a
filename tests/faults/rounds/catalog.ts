import { deleteStream, fullStream, putStoreBack } from '../faults/broker-store.js';
import type { Fault } from '../faults/fault.js';
import { killNats, kills } from '../faults/kills.js';
import { links } from '../faults/links.js';
import { moments } from '../faults/moments.js';
import { pauses, pauseWorkerThenKill } from '../faults/pauses.js';
import { poison } from '../faults/poison.js';
import { postgresFaults } from '../faults/postgres.js';
import type { FaultPlan } from '../faults/run-faults.js';
import { stopService } from '../faults/stops.js';
import type { Round } from './round.js';

const often = (faults: readonly Fault[], lines = 1): FaultPlan => ({
  faults,
  lines,
  minPauseMs: 300,
  maxPauseMs: 2_500,
});

/** nats-server is killed every three seconds, under a load that waits for the broker only. */
const natsKilledAgainAndAgain: Fault = {
  ...killNats,
  async run({ world: { nats } }) {
    await nats.kill();
    await nats.restart();
  },
};

/** Postgres is away for all of the round but its first two seconds. */
const postgresAway: Fault = {
  kind: 'Postgres away',
  target: () => 'postgres',
  async run({ world: { postgres }, sleep, ending }) {
    await postgres.stop();
    while (!ending()) await sleep(1_000);
    await postgres.restart();
  },
};

export const rounds: readonly Round[] = [
  { name: 'kills', about: 'kill -9 of any service, of nats-server, of Postgres', faults: often(kills) },
  { name: 'pauses', about: 'SIGSTOP of the same, for longer than ACK_WAIT', faults: often(pauses) },
  { name: 'links', about: 'half-open, black-holed, slow and reset connections on each link', faults: often(links, 2) },
  {
    name: 'postgres',
    about: 'failover, read-only, restart, no connections left, tables locked',
    faults: often(postgresFaults),
  },
  { name: 'moments', about: 'killed at chosen moments of the path', faults: often(moments) },
  { name: 'stops', about: 'SIGTERM under load, three workers', world: { workers: 3 }, faults: often([stopService]) },
  {
    name: 'store',
    about: "the stream deleted, an older copy of the broker's store put back",
    faults: often([deleteStream, putStoreBack, killNats]),
    receivedMayFall: true,
  },
  {
    name: 'full',
    about: 'a stream with room for two thousand messages, and workers that pause',
    world: { environment: { QUEUE_MAX_SIZE: '2000' } },
    load: { pauseMs: 0, stored: 0.2 },
    faults: often([fullStream, fullStream, ...kills]),
  },
  {
    name: 'clocks',
    about: 'the clocks of the services an hour off, and kills',
    world: { clocksMs: { gateway: 3_600_000, 'dedup-worker': -3_600_000, query: 1_800_000 } },
    faults: often(kills),
  },
  {
    name: 'storm',
    about: 'nine of ten copies repeat one, over two gateways, past a short duplicate window, lost by restarts',
    world: { gateways: 2, environment: { DEDUP_WINDOW: '500ms' } },
    load: { repeats: 0.9, maxBatch: 100 },
    faults: often([killNats, ...kills]),
  },
  { name: 'poison', about: 'what nobody can store, among the rest', faults: often([poison, poison, ...kills]) },
  {
    name: 'mixed',
    about: 'all of it, two at a time, three workers and two gateways',
    world: { gateways: 2, workers: 3 },
    faults: often([...kills, ...pauses, ...links, ...postgresFaults, ...moments, stopService, poison], 2),
    weight: 2,
  },
  {
    name: 'tails',
    about: 'a worker stopped for 20 s with what it holds, and killed, under a load that waits for the broker only',
    load: { stored: 0.1, pauseMs: 0 },
    faults: { faults: [pauseWorkerThenKill], lines: 1, minPauseMs: 1_000, maxPauseMs: 3_000 },
  },
  {
    name: 'nats-kills',
    about: 'nats-server killed every 3 s under BROKER load',
    load: { stored: 0, pauseMs: 0 },
    faults: { faults: [natsKilledAgainAndAgain], lines: 1, minPauseMs: 2_500, maxPauseMs: 2_500 },
  },
  {
    name: 'postgres-away',
    about: 'Postgres stopped, under full load',
    load: { publishers: 32, stored: 0.15, pauseMs: 0, maxBatch: 100 },
    faults: { faults: [postgresAway], lines: 1, minPauseMs: 2_000, maxPauseMs: 2_000 },
  },
];
