import { createClient, EventsieveError } from '@eventsieve/client';
import { DeliveryError, requestTimeoutMs, type Target } from './target.js';

export function openGrpcTarget(address: string, wait: 'broker' | 'stored', source: string): Target {
  const client = createClient({ gateway: address, timeoutMs: requestTimeoutMs });
  return {
    name: `${address} (gRPC)`,
    async send(copies, timestamp) {
      const events = copies.map((copy) => ({ ...copy, source, timestamp }));
      const { results, ...sums } = await client.publish(events, { wait }).catch((error: unknown) => {
        throw error instanceof EventsieveError ? deliveryError(error) : error;
      });
      const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length;
      return { ...sums, deadLettered: count('dead_lettered'), undecided: count('accepted') };
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
