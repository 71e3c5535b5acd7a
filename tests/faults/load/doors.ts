import {
  IngestServiceClient,
  Outcome,
  type PublishRequest,
  type PublishResponse,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { type Copy, payloadOf, source } from './ledger.js';

export interface Answer {
  readonly outcome: Outcome;
  readonly position: bigint;
}

/** `again`: refused for now, or of unknown fate; the same events may be sent again. Anything else is a bug. */
export type Reply =
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'again'; readonly why: string }
  | { readonly kind: 'wrong'; readonly why: string };

/** A way in. */
export interface Door {
  readonly name: string;
  send(copies: readonly Copy[], stored: boolean): Promise<Reply>;
  close(): void;
}

const timeoutMs = 12_000;
const requestsAtOnce = 4;
const retryable = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED']);

/**
 * Calls by turns: Publish, and PublishStream with the batch as several requests at once. No random number is drawn for
 * it, so a seed plans what it always did.
 */
export function grpcDoor(address: string): Door {
  // A publisher that waits for ever for a connection to come back would hide what the gateway does.
  const client = new IngestServiceClient(address, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 3_000,
    'grpc.use_local_subchannel_pool': 1,
  });
  const stream = keepStream(client);
  let calls = 0;
  return {
    name: 'grpc',
    async send(copies, stored) {
      const nowMs = Date.now();
      const events = copies.map((copy) => ({
        topic: copy.topic,
        eventId: copy.eventId,
        source,
        timestamp: { seconds: BigInt(Math.floor(nowMs / 1000)), nanos: (nowMs % 1000) * 1_000_000 },
        payloadJson: payloadOf(copy),
      }));
      const waitFor = stored ? WaitFor.WAIT_FOR_STORED : WaitFor.WAIT_FOR_BROKER;
      const requestOf = (some: typeof events) => ({ events: some, waitFor, allowPartial: false });
      if (calls++ % 2 === 1) {
        const size = Math.ceil(events.length / requestsAtOnce);
        const parts = [];
        for (let i = 0; i < events.length; i += size) parts.push(stream.publish(requestOf(events.slice(i, i + size))));
        return await Promise.all(parts).then(
          (responses) => replyOf({ results: responses.flatMap(({ results }) => results) }, copies),
          replyOfError,
        );
      }
      return await new Promise((resolve) => {
        client.publish(requestOf(events), new Metadata(), { deadline: nowMs + timeoutMs }, (error, response) =>
          resolve(error ? replyOfError(error) : replyOf(response, copies)),
        );
      });
    },
    close() {
      stream.close();
      client.close();
    },
  };
}

/** A PublishStream that stays open from call to call, and is opened anew after its end. */
function keepStream(client: IngestServiceClient) {
  type Waiting = { resolve(response: PublishResponse): void; reject(error: ServiceError): void };
  let current: ReturnType<typeof open> | undefined;

  function open() {
    const call = client.publishStream();
    const waiting: Waiting[] = [];
    const opened = { call, waiting };
    const end = (error: ServiceError) => {
      if (current === opened) current = undefined;
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    call.on('data', (response: PublishResponse) => waiting.shift()?.resolve(response));
    call.on('error', end);
    // With OK and without an answer: no code of a retryable error.
    call.on('end', () => end(new Error('a stream ended before it had answered') as ServiceError));
    return opened;
  }

  return {
    publish(request: PublishRequest): Promise<PublishResponse> {
      current ??= open();
      const { call, waiting } = current;
      let timer: NodeJS.Timeout | undefined;
      return new Promise<PublishResponse>((resolve, reject) => {
        timer = setTimeout(() => call.cancel(), timeoutMs);
        waiting.push({ resolve, reject });
        call.write(request);
      }).finally(() => clearTimeout(timer));
    },
    close: () => current?.call.end(),
  };
}

function replyOfError(error: ServiceError): Reply {
  const { code, message } = fromGrpcError(error);
  return { kind: retryable.has(code) ? 'again' : 'wrong', why: `${code}: ${message}` };
}

function replyOf({ results }: Pick<PublishResponse, 'results'>, copies: readonly Copy[]): Reply {
  if (results.length !== copies.length) {
    return { kind: 'wrong', why: `${results.length} results for ${copies.length} events` };
  }
  for (const [index, { topic, eventId }] of results.entries()) {
    const sent = copies[index];
    if (topic !== sent?.topic || eventId !== sent.eventId) {
      return { kind: 'wrong', why: `the result at ${index} is of ${topic}/${eventId}, not of what was sent there` };
    }
  }
  return { kind: 'answers', answers: results.map(({ outcome, position }) => ({ outcome, position })) };
}

const outcomes: Readonly<Record<string, Outcome>> = {
  accepted: Outcome.OUTCOME_ACCEPTED,
  stored: Outcome.OUTCOME_STORED,
  duplicate: Outcome.OUTCOME_DUPLICATE,
  conflict: Outcome.OUTCOME_CONFLICT,
  dead_lettered: Outcome.OUTCOME_DEAD_LETTERED,
};
const finalStatuses = new Set([200, 201, 202, 409, 422]);

interface HttpBody {
  readonly results?: readonly { readonly outcome: string; readonly position?: string }[];
}

export function httpDoor(url: string): Door {
  return {
    name: 'http',
    async send(copies, stored) {
      const timestamp = new Date().toISOString();
      const events = copies.map(
        (copy) =>
          `{"topic":${JSON.stringify(copy.topic)},"event_id":"${copy.eventId}","timestamp":"${timestamp}","source":"${source}","payload":${payloadOf(copy)}}`,
      );
      try {
        const response = await fetch(`${url}/publish?wait=${stored ? 'stored' : 'broker'}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: copies.length === 1 ? events.join('') : `[${events.join(',')}]`,
          signal: AbortSignal.timeout(timeoutMs),
        });
        const text = await response.text();
        if (response.status === 429 || response.status === 503) return { kind: 'again', why: `${response.status}` };
        const { results } = JSON.parse(text) as HttpBody;
        if (!finalStatuses.has(response.status) || results?.length !== copies.length) {
          return { kind: 'wrong', why: `${response.status}: ${text.slice(0, 300)}` };
        }
        return {
          kind: 'answers',
          answers: results.map(({ outcome, position }) => ({
            outcome: outcomes[outcome] ?? Outcome.OUTCOME_UNSPECIFIED,
            position: BigInt(position ?? 0),
          })),
        };
      } catch (error) {
        // A connection that broke, or no answer in time.
        return { kind: 'again', why: `${(error as Error).name}` };
      }
    },
    close: () => undefined,
  };
}
