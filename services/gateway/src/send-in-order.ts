import { type Caller, whileCallerWaits } from './caller.js';
import type { Gateway } from './gateway.js';
import type { OutgoingMessage } from './publisher.js';
import type { PubAck } from './read-ack.js';
import { brokerAway, isTransient, lacksStream, overloaded } from './refusals.js';

const mostAttempts = 5;
const pauseMs = 100;

/**
 * Publishes a request's messages, for as long as the caller waits. It is tried again only when the broker has definitely
 * refused every one of them, and for a reason that passes: to send some again after others were taken would turn their
 * order round. For the same reason nothing of a stream is: what is behind it is on its way already.
 */
export async function sendInOrder(
  gateway: Gateway,
  messages: readonly OutgoingMessage[],
  caller: Caller,
): Promise<readonly PubAck[]> {
  const bytes = messages.reduce((sum, { body }) => sum + body.length, 0);
  const attempts = caller.streams ? 1 : mostAttempts;
  for (let attempt = 1; ; attempt++) {
    if (!gateway.connected()) throw brokerAway();
    if (!gateway.publisher.hasRoom(messages.length, bytes)) throw overloaded();
    const acks = await whileCallerWaits(publish(gateway, messages), caller);
    if (!acks.every(isTransient)) return acks;
    const againAtMs = Date.now() + pauseMs * attempt;
    const made = acks.some(lacksStream) ? patiently(gateway.ensureStream(), caller) : undefined;
    if (attempt === attempts) return acks;
    await made;
    // Out of time between two attempts nothing is under way: what the broker said last is the answer.
    if (againAtMs >= caller.untilMs || caller.cancelled()) return acks;
    await new Promise((resolve) => setTimeout(resolve, againAtMs - Date.now()));
  }
}

async function publish({ publisher, metrics }: Gateway, messages: readonly OutgoingMessage[]) {
  const begunAtMs = performance.now();
  const acks = await publisher.publish(messages);
  metrics.published((performance.now() - begunAtMs) / 1000);
  return acks;
}

const patiently = (work: Promise<void>, caller: Caller) => whileCallerWaits(work, caller).catch(() => undefined);
