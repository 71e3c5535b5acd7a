import { createClient } from '@eventsieve/client';
import { idOf, payload, sources, topics } from './events.js';
import type { LoadPlan } from './plan.js';
import type { Door } from './run-load.js';

const payloadJson = JSON.stringify(payload);

/** As a program sends: one event after the other, each with its own verdict; the producer makes calls of them. */
export function openProducerDoor({ target, batch, payload: kind, stored, connections, inFlight, ids }: LoadPlan): Door {
  const clients = Array.from({ length: connections }, () => createClient({ gateway: target }));
  const producers = clients.map((client) =>
    client.producer({
      maxBatch: batch,
      maxInFlight: Math.ceil(inFlight / connections),
      wait: stored ? 'stored' : 'broker',
    }),
  );
  const content = kind === 'json' ? { payloadJson } : { payload };
  return {
    async send(lane, next) {
      const producer = producers[lane % producers.length];
      const sent = Array.from({ length: batch }, (_, place) =>
        producer?.send({
          topic: topics[place % topics.length] as string,
          eventId: idOf(next(place), ids),
          source: sources[place % sources.length] as string,
          ...content,
        }),
      );
      const verdicts = await Promise.all(sent);
      const duplicates = verdicts.filter((verdict) => verdict?.outcome === 'duplicate').length;
      return { received: verdicts.length, duplicates };
    },
    close: () => clients.forEach((client) => void client.close()),
  };
}
