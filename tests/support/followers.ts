import { type QueryServiceClient, TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { waitUntil } from './wait-until.js';

export interface SseMessage {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string | undefined;
}

/** Somebody who follows, and what they were given, in its order. */
export interface Heard {
  readonly positions: number[];
  /** The cursor that came with each. */
  readonly cursors: string[];
  readonly topics: string[];
  /** The newest cursor, also from signs of life. */
  cursor: string;
  signsOfLife: number;
  /** How it ended; undefined while it has not. */
  ended: unknown;
  stop(): Promise<void>;
}

type Seen = Omit<Heard, 'stop'>;

const newlyBegun = (): Seen => ({
  positions: [],
  cursors: [],
  topics: [],
  cursor: '',
  signsOfLife: 0,
  ended: undefined,
});

function hear(seen: Seen, cursor: string, event: { position: number; topic: string } | undefined): void {
  seen.cursor = cursor;
  if (event === undefined) seen.signsOfLife++;
  else {
    seen.positions.push(event.position);
    seen.topics.push(event.topic);
    seen.cursors.push(cursor);
  }
}

/** Follows over HTTP; resolves once it has been told where it is. */
export async function followHttp(
  http: string,
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Heard & { readonly response: Response; readonly messages: SseMessage[] }> {
  const ending = new AbortController();
  const url = `${http}/events/stream?${new URLSearchParams(query)}`;
  const response = await fetch(url, { headers, signal: ending.signal });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  const messages: SseMessage[] = [];
  const seen = newlyBegun();
  const reading = (async () => {
    for await (const message of readSse(response)) {
      messages.push(message);
      if (message.event === 'error') continue;
      const event =
        message.data === undefined ? undefined : (JSON.parse(message.data) as { id: string; topic: string });
      hear(seen, message.id ?? '', event && { position: Number(event.id), topic: event.topic });
    }
  })().then(
    () => {
      seen.ended = 'end';
    },
    (error: unknown) => {
      seen.ended = error;
    },
  );
  const stop = async () => {
    ending.abort();
    await reading;
  };
  await waitUntil('the follower is told where it is', () => seen.signsOfLife + seen.positions.length > 0);
  return Object.assign(seen, { stop, response, messages });
}

/** Follows over gRPC; resolves once it has been told where it is, or has ended. */
export async function followGrpc(client: QueryServiceClient, request: Partial<TailEventsRequest> = {}): Promise<Heard> {
  const call = client.tailEvents(TailEventsRequest.fromPartial(request));
  const seen = newlyBegun();
  call.on('data', ({ event, cursor }) =>
    hear(seen, cursor, event && { position: Number(event.position), topic: event.event?.topic ?? '' }),
  );
  const ended = new Promise<void>((resolve) => {
    const end = (how: unknown) => {
      seen.ended ??= how;
      resolve();
    };
    call.on('error', end);
    call.on('end', () => end('end'));
  });
  const stop = async () => {
    call.cancel();
    await ended;
  };
  await waitUntil('the follower is told where it is', () => seen.cursor !== '' || seen.ended);
  return Object.assign(seen, { stop });
}

export const fromStart = { start: TailStart.TAIL_START_BEGINNING };

/** Reads text/event-stream as its messages; comments are left out. */
async function* readSse(response: Response): AsyncGenerator<SseMessage> {
  let rest = '';
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => [line.split(':', 1)[0], line.replace(/^\w*: ?/, '')]));
      yield { id: fields.get('id'), event: fields.get('event'), data: fields.get('data') };
    }
  }
}
