import { type ClientOptions, createClient } from '@eventsieve/client';
import type { Door, DoorOptions } from './door.js';

// What a gateway that starts again needs, and more.
export const patienceMs = 60_000;
// Twice what is under way, so that the next batch is there when one is answered. More would only take memory.
const usualBytes = 768;
const mostHeldBytes = 16 * 1024 ** 2;

export function openGrpcDoor(connection: ClientOptions, { wait, batch, inFlight }: DoorOptions): Door {
  const client = createClient(connection);
  const producer = client.producer({
    wait,
    maxBatch: batch,
    maxInFlight: inFlight,
    maxBufferedBytes: Math.min(mostHeldBytes, 2 * inFlight * batch * usualBytes),
    timeoutMs: patienceMs,
  });
  return {
    name: connection.gateway ?? '',
    ready: producer.ready,
    send: producer.send,
    async close(options) {
      await producer.close(options);
      await client.close();
    },
  };
}
