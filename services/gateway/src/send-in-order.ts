import type { Gateway } from './gateway.js';
import type { OutgoingMessage, PubAck } from './publisher.js';
import { brokerAway, isTransient, lacksStream, overloaded } from './refusals.js';

const attempts = 5;
const pauseMs = 100;

/**
 * Publishes a request's messages. It is tried again only when the broker has definitely refused every one of them, and
 * for a reason that passes: to send some again after others were taken would turn their order round.
 */
export async function sendInOrder(gateway: Gateway, messages: readonly OutgoingMessage[]): Promise<readonly PubAck[]> {
  const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
  for (let attempt = 1; ; attempt++) {
    if (!gateway.connected()) throw brokerAway();
    if (!gateway.publisher.hasRoom(messages.length, bytes)) throw overloaded();
    const begunAtMs = performance.now();
    const acks = await gateway.publisher.publish(messages);
    gateway.metrics.published((performance.now() - begunAtMs) / 1000);
    if (attempt === attempts || !acks.every(isTransient)) return acks;
    if (acks.some(lacksStream)) await gateway.ensureStream().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, pauseMs * attempt));
  }
}
