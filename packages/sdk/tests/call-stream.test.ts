import { QueryServiceService, TailEventsRequest } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { callStream } from '../src/call-stream.js';
import { connect } from '../src/connect.js';
import { startFakeQuery } from './fake-query.js';

test('the call ends with the loop, and with its signal; a client that is closed makes none', async () => {
  const query = await startFakeQuery((tail) => tail.signOfLife(1));
  const peer = connect(query.address, {});
  const controller = new AbortController();
  const settings = { signal: controller.signal, silenceMs: 60_000 };
  const call = () => callStream(peer, QueryServiceService.tailEvents, TailEventsRequest.fromPartial({}), settings);
  try {
    for await (const { cursor } of call()) {
      expect(cursor).toBe('1');
      break;
    }
    await waitUntil('the first call has ended', () => query.tails[0]?.isOver());

    const second = call();
    await second.next();
    controller.abort();
    await waitUntil('the second call has ended', () => query.tails[1]?.isOver());
    await expect(second.next()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await expect(call().next()).rejects.toBe(controller.signal.reason);

    peer.client.close();
    const open = new AbortController().signal;
    const third = callStream(peer, QueryServiceService.tailEvents, TailEventsRequest.fromPartial({}), {
      ...settings,
      signal: open,
    });
    await expect(third.next()).rejects.toMatchObject({ reason: 'CLOSED', retryable: false });
  } finally {
    query.stop();
  }
});
