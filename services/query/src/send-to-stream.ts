import type { BrokerLink } from '@eventsieve/runtime/broker-link';
import { JetStreamApiError, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { InvalidArgumentError, type NatsConnection, RequestError } from '@nats-io/transport-node';

/** What became of one message. */
export type Sent =
  | { readonly kind: 'taken'; readonly sequence: bigint }
  /** Definitely not taken. */
  | { readonly kind: 'refused'; readonly why: string }
  /** Taken or not. */
  | { readonly kind: 'unknown'; readonly why: string };

/** Never rejects. */
export type SendToStream = (subject: string, body: Uint8Array) => Promise<Sent>;

/** For the rare message that this service writes; a gateway's publisher is made for many. */
export function sendsToStream(link: BrokerLink, timeoutMs: number): SendToStream {
  let of: NatsConnection | undefined;
  let client: JetStreamClient | undefined;

  return async (subject, body) => {
    const connection = link.connection();
    if (connection === undefined) return { kind: 'refused', why: 'the broker cannot be reached' };
    if (client === undefined || of !== connection) {
      of = connection;
      client = jetstream(connection, { timeout: timeoutMs });
    }
    try {
      // Once: what was sent twice would be two messages.
      const { seq } = await client.publish(subject, body, { retries: 0, timeout: timeoutMs });
      return { kind: 'taken', sequence: BigInt(seq) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const refused =
        error instanceof JetStreamApiError ||
        // Larger than the broker's max_payload: the client does not send it.
        error instanceof InvalidArgumentError ||
        (error instanceof RequestError && error.isNoResponders());
      return { kind: refused ? 'refused' : 'unknown', why };
    }
  };
}
