import { createClient, EventsieveError } from '@eventsieve/client';
import { DeliveryError, pageSize, requestTimeoutMs, sourceOf, type Target, type TargetOptions } from './target.js';

export function openGrpcTarget({ target, query, wait, run }: TargetOptions): Target {
  const client = createClient({ gateway: target, query, timeoutMs: requestTimeoutMs });
  const source = sourceOf(run);
  const refuse = (error: unknown): never => {
    throw error instanceof EventsieveError ? deliveryError(error) : error;
  };
  return {
    name: `${target} (gRPC)`,
    async send(copies, timestamp) {
      const events = copies.map(({ topic, eventId, payloadJson }) => ({
        topic,
        eventId,
        payloadJson,
        source,
        timestamp,
      }));
      // Tries are counted by who sends.
      const { results, ...sums } = await client.publish(events, { wait, retry: false }).catch(refuse);
      return { ...sums, outcomes: results.map(({ outcome }) => outcome) };
    },
    async lookUp({ topic, eventId }) {
      const found = await client.get(topic, eventId).catch(refuse);
      if (found === undefined) return 'never_seen';
      return found.status === 'expired' ? 'stored' : found.status;
    },
    async *held() {
      for await (const { events } of client.pages({ source, pageSize })) yield events;
    },
    async countedRepeats() {
      const { sources, behind } = await client.duplicates({ source, limit: pageSize }).catch(refuse);
      return {
        byTopic: new Map(
          sources.map(({ topic, duplicateDropped, conflicts }) => [topic, { duplicates: duplicateDropped, conflicts }]),
        ),
        behind,
      };
    },
    close: () => client.close(),
  };
}

function deliveryError(error: EventsieveError): DeliveryError {
  const { code, message, retryable, retryAfterMs } = error;
  return new DeliveryError(`${code}, ${message}`, {
    retryable,
    timedOut: code === 'DEADLINE_EXCEEDED',
    retryAfterMs,
    cause: error,
  });
}
