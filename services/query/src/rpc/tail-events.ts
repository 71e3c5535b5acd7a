import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import type { TailEventsRequest } from '@eventsieve/contract/gen/eventsieve/v1/query';
import type { Audience } from '@eventsieve/runtime/grpc-server-stream';
import { jsonMessages, structMessages } from '../follow/encoding.js';
import type { Outlet } from '../follow/follower.js';
import type { Following } from '../follow/following.js';
import { readTailRequest } from '../follow/tail-request.js';
import type { QueryMetrics } from '../metrics.js';

/** Follows until the caller is gone, does not keep up, or the service stops: it ends by an error, always. */
export async function tailEvents(
  following: Following,
  metrics: Pick<QueryMetrics, 'followed'>,
  request: TailEventsRequest,
  audience: Audience<Buffer>,
): Promise<never> {
  const asText = request.payloadFormat === PayloadFormat.PAYLOAD_FORMAT_JSON;
  const admitted = await following.admit(readTailRequest(request), asText ? jsonMessages : structMessages);
  try {
    audience.onOver(admitted.wake);
    return await admitted.run(outletTo(audience), (events) => metrics.followed('grpc', events));
  } finally {
    admitted.leave();
  }
}

/** Message by message: what was not written when the call ends was not sent. */
function outletTo(audience: Audience<Buffer>): Outlet {
  let sentUpTo = 0n;
  return {
    over: audience.over,
    sentUpTo: () => sentUpTo,
    async send({ messages }) {
      for (const { position, bytes } of messages) {
        if (audience.over() !== undefined) return;
        sentUpTo = position;
        await audience.send(bytes);
      }
    },
  };
}
