import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { World } from '../world/world.js';
import type { Finding } from './finding.js';

export interface Drained {
  readonly ms: number;
  readonly findings: readonly Finding[];
}

const pollMs = 50;

/** I5: once everything is healed, the stream empties and the watermark reaches its end, within a bound. */
export async function awaitDrained({ nats, names, direct }: World, boundMs: number): Promise<Drained> {
  const begunAtMs = Date.now();
  const connection = await connect({ servers: nats.url });
  let last = 'nothing was read';
  try {
    const jsm = await jetstreamManager(connection);
    while (Date.now() - begunAtMs < boundMs) {
      try {
        const { state, created } = await jsm.streams.info(names.stream);
        const { rows } = await direct.pool.query<{ left: string; created: string }>(
          `select e.base + $1::bigint - w.position as left, e.stream_created as created
           from watermark w, (select base, stream_created from epochs order by epoch desc limit 1) e`,
          [state.last_seq],
        );
        const left = rows[0]?.left ?? '?';
        last = `${state.messages} messages in the stream, the watermark is ${left} behind`;
        const empty = state.messages === 0 && Number(left) <= 0 && rows[0]?.created === created;
        if (empty) return { ms: Date.now() - begunAtMs, findings: [] };
      } catch (error) {
        last = String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return { ms: boundMs, findings: [{ check: 'I5', what: `not drained within ${boundMs} ms: ${last}` }] };
  } finally {
    await connection.close();
  }
}
