import { get, type IncomingMessage } from 'node:http';
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
  readonly eventIds: string[];
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
  eventIds: [],
  cursor: '',
  signsOfLife: 0,
  ended: undefined,
});

function hear(seen: Seen, cursor: string, event: { position: number; eventId: string } | undefined): void {
  seen.cursor = cursor;
  if (event === undefined) seen.signsOfLife++;
  else {
    seen.positions.push(event.position);
    seen.eventIds.push(event.eventId);
    seen.cursors.push(cursor);
  }
}

export interface HeardByHttp extends Heard {
  readonly response: IncomingMessage;
  /** All that came, with data or without. */
  readonly messages: SseMessage[];
}

/** Asks for the stream; the answer's headers have come, and nothing is read of it. */
export function askStream(
  http: string,
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const url = `${http}/events/stream?${new URLSearchParams(query)}`;
    get(url, { headers, agent: false }, resolve).on('error', reject);
  });
}

/** Follows over HTTP; resolves once it has been told where it is. */
export async function followHttp(
  http: string,
  query: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<HeardByHttp> {
  const response = await askStream(http, query, headers);
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${await textOf(response)}`);
  const messages: SseMessage[] = [];
  const seen = newlyBegun();
  const take = splitsSse((message) => {
    messages.push(message);
    if (message.event === 'error') return;
    const event =
      message.data === undefined ? undefined : (JSON.parse(message.data) as { id: string; event_id: string });
    hear(seen, message.id ?? '', event && { position: Number(event.id), eventId: event.event_id });
  });
  response.setEncoding('utf8').on('data', take);
  const over = new Promise<void>((resolve) => {
    const end = (how: unknown) => {
      seen.ended ??= how;
      resolve();
    };
    response.on('error', end).on('end', () => end('end'));
  });
  const stop = async () => {
    response.destroy();
    seen.ended ??= 'stopped';
    await Promise.race([over, new Promise((resolve) => response.on('close', resolve))]);
  };
  await waitUntil('the follower is told where it is', () => seen.signsOfLife + seen.positions.length > 0);
  return Object.assign(seen, { stop, response, messages });
}

export async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

/** Follows over gRPC; resolves once it has been told where it is, or has ended. */
export async function followGrpc(client: QueryServiceClient, request: Partial<TailEventsRequest> = {}): Promise<Heard> {
  const call = client.tailEvents(TailEventsRequest.fromPartial(request));
  const seen = newlyBegun();
  call.on('data', ({ event, cursor }) =>
    hear(seen, cursor, event && { position: Number(event.position), eventId: event.event?.eventId ?? '' }),
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

/** Takes text/event-stream in pieces and gives its messages. Comments are left out. */
export function splitsSse(take: (message: SseMessage) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => [line.split(':', 1)[0], line.replace(/^\w*: ?/, '')]));
      take({ id: fields.get('id'), event: fields.get('event'), data: fields.get('data') });
    }
  };
}
