import { namesFor } from '@eventsieve/contract/names';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Bench } from '../bench-context.js';
import { untilSettled } from '../world/stored.js';
import { newHistory, verified } from './measure-load.js';

const waiting = 1_000_000;

/** How long a worker needs for a million messages that came while there was none, and what such a message takes on disk. */
export async function runRecoveryCase(bench: Bench): Promise<void> {
  await bench.withSystem(
    async (system) => {
      await system.stopService('dedup-worker');
      const history = newHistory();
      const plan = { door: 'grpc', target: system.gateway, batch: 1000, payload: 'json', inFlight: 4 } as const;
      const sent = await bench.load({ ...plan, ids: history.ids, seconds: 300, maxCopies: waiting });
      if (sent.failures > 0) throw new Error(`${sent.failures} calls failed: ${sent.failure}`);
      history.copies = sent.copies;
      history.events = sent.fresh;
      const bytes = await streamBytes(bench.servers.nats.url, system.prefix);
      system.beginUse();
      const begunAtMs = performance.now();
      await system.start('dedup-worker');
      await untilSettled(system, history.copies);
      const seconds = (performance.now() - begunAtMs) / 1000;
      const { cpuSeconds: cpuOf, peakMb: rssOf } = system.use();
      bench.add({
        name: 'recovery',
        eventsPerSecond: history.copies / seconds,
        cpuOf,
        cpuSeconds: Object.values(cpuOf).reduce((sum, each) => sum + each, 0),
        rssOf,
        rssMb: Math.max(...Object.values(rssOf)),
        ...(await verified(system, history)),
        more: {
          seconds: Number(seconds.toFixed(1)),
          acceptedPerSecond: Math.round(sent.copies / sent.seconds),
          streamBytesPerMessage: Math.round(bytes / history.copies),
        },
      });
    },
    { STREAM_MAX_BYTES: '8GB', QUEUE_MAX_SIZE: String(waiting * 2) },
  );
}

async function streamBytes(url: string, prefix: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    const { state } = await (await jetstreamManager(connection)).streams.info(namesFor(prefix).stream);
    return state.bytes;
  } finally {
    await connection.close();
  }
}
