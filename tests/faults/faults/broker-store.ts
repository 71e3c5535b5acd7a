import { cpSync, rmSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Fault, FaultContext } from './fault.js';

/** Everything is stored, and the stream goes: with whatever it knew of sequences and message ids. */
export const deleteStream: Fault = {
  kind: 'stream deleted',
  target: () => 'nats',
  async run({ world: { nats, names }, whileQuiet }) {
    await whileQuiet(async () => {
      const connection = await connect({ servers: nats.url });
      await (await jetstreamManager(connection)).streams.delete(names.stream);
      await connection.close();
    });
  },
};

const copyOf = (store: string) => `${store}.copy`;

async function copyStore({ world: { nats, natsStore } }: FaultContext): Promise<void> {
  await nats.stop();
  rmSync(copyOf(natsStore), { recursive: true, force: true });
  cpSync(natsStore, copyOf(natsStore), { recursive: true });
  await nats.restart();
}

/**
 * A copy of the broker's store is made while messages wait in it; everything is stored and more besides; then the copy
 * is put back. It brings messages that are stored, and gives sequences out again.
 */
export const putStoreBack: Fault = {
  kind: 'older broker store put back',
  target: () => 'nats and worker',
  async run(context) {
    const { world, sleep, random, whileQuiet } = context;
    const { nats, natsStore } = world;
    const workers = world.of('dedup-worker');
    for (const worker of workers) worker.pause();
    await sleep(random.whole(300, 1_500));
    await copyStore(context);
    for (const worker of workers) worker.resume();
    await sleep(random.whole(300, 3_000));
    await whileQuiet(async () => {
      await nats.kill();
      rmSync(natsStore, { recursive: true, force: true });
      cpSync(copyOf(natsStore), natsStore, { recursive: true });
      await nats.restart();
    });
  },
};

/** Nobody takes anything out of a stream that has room for little. */
export const fullStream: Fault = {
  kind: 'stream full',
  target: () => 'worker',
  async run({ world, sleep, random }) {
    const workers = world.of('dedup-worker');
    for (const worker of workers) worker.pause();
    await sleep(random.whole(1_500, 5_000));
    for (const worker of workers) worker.resume();
  },
};
