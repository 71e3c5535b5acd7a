import { EventsieveError } from '@eventsieve/contract/errors';
import type { Conversation } from '@eventsieve/runtime/grpc-duplex';
import { heldBytes } from '../admission.js';
import { callerOf } from '../caller.js';
import type { Gateway } from '../gateway.js';
import { createStreamWindow } from '../stream-window.js';
import type { Answer } from '../write-response.js';
import { type ArrivedRequest, admit, publishAdmitted, sizeOf, waitsForStored } from './publish.js';

// Enough to keep the broker busy for a round trip. With more a stream is no faster, and after an error everything that
// has no answer has to be sent again.
const mostOpen = { requests: 64, copies: 4_000 };

/** A request of a stream. */
interface Placed {
  readonly index: number;
  readonly readAtMs: number;
  readonly request: ArrivedRequest | undefined;
}

interface Failure extends Placed {
  readonly error: unknown;
}

/** Publishes requests as they come, and answers them in their order up to the first that fails. */
export async function publishStream(
  gateway: Gateway,
  conversation: Conversation<ArrivedRequest, Answer>,
): Promise<void> {
  const { context } = conversation;
  const window = createStreamWindow(mostOpen);
  let answers = Promise.resolve();
  let failure: Failure | undefined;
  let onFailure = () => {};
  const failed = new Promise<void>((resolve) => {
    onFailure = resolve;
  });
  const isLost = (index: number) => failure !== undefined && index > failure.index;

  function fail(at: Placed, error: unknown): void {
    if (failure === undefined || at.index < failure.index) failure = { ...at, error };
    onFailure();
  }

  async function readAll(): Promise<void> {
    for (let index = 0; failure === undefined; index++) {
      await window.room();
      let at: Placed = { index, readAtMs: performance.now(), request: undefined };
      try {
        const request = await conversation.next();
        if (request === undefined || failure !== undefined) return;
        at = { index, readAtMs: performance.now(), request };
        await take(at, request);
      } catch (error) {
        return fail(at, error);
      }
    }
  }

  /** Resolves once the request has been handed to the broker, which it is when there is room. */
  async function take(at: Placed, request: ArrivedRequest): Promise<void> {
    const close = window.open(request.events.length);
    const cancelled = () => context.cancelled() || isLost(at.index);
    const caller = { ...callerOf({ ...context, cancelled }), streams: true };
    const size = sizeOf(request);
    const { response } = await gateway.waitingRoom.whenRoom({
      kind: size.waitForStored ? 'stored' : 'broker',
      bytes: heldBytes(size),
      tryNow: () => {
        const leave = admit(gateway, request, context);
        return { response: publishAdmitted(gateway, request, caller).finally(leave) };
      },
      untilMs: Math.min(Date.now() + gateway.roomTimeoutMs, caller.untilMs),
      over: conversation.over,
    });
    response.catch((error) => fail(at, error));
    answers = answers.then(() => answer(at, request, response, close));
    // A refusal that is certain at once has to be known before the next request is read.
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }

  async function answer(
    at: Placed,
    request: ArrivedRequest,
    response: Promise<Answer>,
    close: () => void,
  ): Promise<void> {
    if (isLost(at.index)) return;
    try {
      const answered = await response;
      gateway.metrics.answered(waitsForStored(request), answered.results);
      gateway.metrics.ended({ request, error: undefined, seconds: secondsSince(at.readAtMs) });
      void conversation.send(answered).then(close);
    } catch (error) {
      fail(at, error);
    }
  }

  await Promise.race([readAll(), failed]);
  await answers;
  if (failure !== undefined) throw endedBy(failure, gateway, conversation);
}

/** The error with which the stream ends. Requests behind it are counted nowhere: they are neither answered nor refused. */
function endedBy(
  { index, readAtMs, request, error }: Failure,
  { metrics }: Gateway,
  { over }: Pick<Conversation<unknown, unknown>, 'over'>,
): unknown {
  const known = error instanceof EventsieveError ? error : new EventsieveError('INTERNAL', 'internal error');
  const seconds = secondsSince(readAtMs);
  if (request !== undefined || error !== over()) metrics.ended({ request, error: known, seconds });
  if (known !== error) return error;
  const { code, fields, reason, retryAfterMs } = known;
  return new EventsieveError(code, `request ${index} of the stream: ${known.message}`, {
    fields,
    request: index,
    cause: error,
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

const secondsSince = (ms: number) => (performance.now() - ms) / 1000;
