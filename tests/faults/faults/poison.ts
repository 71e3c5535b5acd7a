import { Copy as WireCopy } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { Fault } from './fault.js';

const text = (value: string) => Buffer.from(value);

function copyOf(eventId: string | Uint8Array, payload: string, timestampUs = 1_700_000_000_000_000n): Uint8Array {
  const id = typeof eventId === 'string' ? text(eventId) : eventId;
  return WireCopy.encode({
    topic: text('poison'),
    eventId: id,
    source: text('s'),
    payload: text(payload),
    timestampUs,
    replyTo: '',
    ticket: 0n,
  }).finish();
}

const kinds: readonly Uint8Array[] = [
  copyOf('a\0b', '{}'),
  copyOf(Buffer.from([0x61, 0xff]), '{}'),
  copyOf('nul', '{"a":"\\u0000"}'),
  copyOf('surrogate', '{"a":"\\ud800"}'),
  copyOf('cut', '{"a":'),
  copyOf('number', '{"a":1e200000}'),
  copyOf('time', '{}', -300_000_000_000_000_000n),
  Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]),
];

/** Messages behind the gateway's back, of each kind that nobody can store. */
export const poison: Fault = {
  kind: 'poison',
  target: () => 'poison',
  async run({ world: { nats, names }, random, poisoned }) {
    const connection = await connect({ servers: nats.url, maxReconnectAttempts: 0, timeout: 1_000 }).catch(
      () => undefined,
    );
    if (connection === undefined) return;
    try {
      const client = jetstream(connection, { timeout: 20_000 });
      for (let left = random.whole(1, 8); left > 0; left--) {
        await client.publish(`${names.eventSubjectPrefix}poison`, random.pick(kinds), { retries: 0 });
        poisoned(1);
      }
    } finally {
      await connection.close();
    }
  },
};
