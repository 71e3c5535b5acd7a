import { QueryServiceClient, TailEventsRequest, TailStart } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { credentials } from '@grpc/grpc-js';
import type { Random } from '../random.js';
import type { World } from '../world/world.js';
import { type Finding, findingOf } from './finding.js';
import { readSse } from './read-sse.js';

export interface TailWatcher {
  /** How many events each follower was given, and how often it had to begin anew. */
  followed(): Readonly<Record<string, { readonly events: number; readonly resumed: number }>>;
  /** Waits until each has what is stored, and ends them. */
  stop(withinMs: number): Promise<Finding[]>;
}

/** Reads until the connection ends or is given up, after the follower's cursor. */
type Read = (follower: Follower, signal: AbortSignal) => Promise<void>;

/** What one follower was given, in its order. */
interface Follower {
  readonly name: string;
  readonly read: Read;
  readonly topic: string | undefined;
  readonly positions: bigint[];
  /** The cursor that came with each. */
  readonly cursors: string[];
  cursor: string | undefined;
  /** Connections so far. */
  begun: number;
}

const followedTopic = 'orders.eu';
const retryMs = 100;
const pollMs = 50;
const resumes = 10;
/** Without another event for so long it has been given all that it gets. */
const stillMs = 15_000;
const reconnectAfterMs = { min: 200, max: 6_000 };

/**
 * I7: a follower sees every stored event once, in order, without a gap, whatever breaks meanwhile. When its connection
 * ends it goes on after the last thing that it was told.
 */
export function watchTails({ direct, http }: World, random: Random): TailWatcher {
  const over = new AbortController();
  const followers: Follower[] = [];
  const running: Promise<void>[] = [];

  function follow(
    name: string,
    read: Read,
    { topic, restless = false }: { topic?: string; restless?: boolean } = {},
  ): void {
    const follower: Follower = { name, read, topic, positions: [], cursors: [], cursor: undefined, begun: 0 };
    followers.push(follower);
    const again = async () => {
      while (!over.signal.aborted) {
        follower.begun++;
        // Not AbortSignal.any: Node 20 may collect what it is made of, and then it never aborts.
        const gone = new AbortController();
        const leave = () => gone.abort();
        over.signal.addEventListener('abort', leave);
        const goneMs = random.whole(reconnectAfterMs.min, reconnectAfterMs.max);
        const timer = restless ? setTimeout(leave, goneMs) : undefined;
        await read(follower, gone.signal).catch(() => undefined);
        clearTimeout(timer);
        over.signal.removeEventListener('abort', leave);
        if (!over.signal.aborted) await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    };
    running.push(again());
  }

  const overHttp =
    (base: string): Read =>
    async (follower, signal) => {
      const topic = follower.topic === undefined ? '' : `&topic_exact=${encodeURIComponent(follower.topic)}`;
      const headers = follower.cursor === undefined ? {} : { 'last-event-id': follower.cursor };
      const response = await fetch(`${base}/events/stream?from=start${topic}`, { headers, signal });
      if (!response.ok) throw new Error(await response.text());
      for await (const { id, event, data } of readSse(response)) {
        if (event === 'error') return;
        if (data !== undefined) take(follower, BigInt((JSON.parse(data) as { id: string }).id), id ?? '');
        if (id !== undefined) follower.cursor = id;
      }
    };

  const overGrpc =
    (address: string): Read =>
    async (follower, signal) => {
      const client = new QueryServiceClient(address, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
      });
      const { cursor } = follower;
      const start = cursor === undefined ? { start: TailStart.TAIL_START_BEGINNING } : { cursor };
      const call = client.tailEvents(TailEventsRequest.fromPartial(start));
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel);
      try {
        for await (const { event, cursor: next } of call) {
          if (event !== undefined) take(follower, event.position, next);
          follower.cursor = next;
        }
      } finally {
        signal.removeEventListener('abort', cancel);
        client.close();
      }
    };

  follow('sse', overHttp(direct.http));
  follow('sse, restless', overHttp(http), { restless: true });
  follow('grpc', overGrpc(direct.query));
  follow('sse, one topic', overHttp(direct.http), { topic: followedTopic });

  /** A reconnect in the middle of what was given gives exactly the rest of it. */
  async function resumeAnywhere(wanted: (follower: Follower) => readonly bigint[]): Promise<Finding[]> {
    const found: Finding[] = [];
    for (let i = 0; i < resumes; i++) {
      const before = random.pick(followers);
      const at = random.whole(0, before.positions.length - 1);
      if (before.positions.length === 0) continue;
      const after = before.positions[at] as bigint;
      const rest = wanted(before).filter((position) => position > after);
      const name = `${before.name}, resumed after ${after}`;
      const again: Follower = { ...before, name, positions: [], cursors: [], cursor: before.cursors[at], begun: 1 };
      const ended = new AbortController();
      const reading = before.read(again, ended.signal).catch(() => undefined);
      let given = 0;
      let movedAtMs = Date.now();
      while ((again.positions.at(-1) ?? 0n) < (rest.at(-1) ?? 0n) && Date.now() - movedAtMs < stillMs) {
        await new Promise((resolve) => setTimeout(resolve, pollMs));
        if (again.positions.length > given) movedAtMs = Date.now();
        given = again.positions.length;
      }
      ended.abort();
      await reading;
      found.push(...differences(again, rest));
    }
    return found;
  }

  return {
    followed: () =>
      Object.fromEntries(
        followers.map(({ name, positions, begun }) => [name, { events: positions.length, resumed: begun - 1 }]),
      ),

    async stop(withinMs) {
      const { rows } = await direct.pool.query<{ position: string; topic: string }>(
        'select position, topic from events order by position',
      );
      const wanted = (follower: Follower) =>
        rows
          .filter(({ topic }) => follower.topic === undefined || topic === follower.topic)
          .map(({ position }) => BigInt(position));
      const hasAll = (follower: Follower) => {
        const last = wanted(follower).at(-1);
        return last === undefined || (follower.positions.at(-1) ?? -1n) >= last;
      };
      const untilMs = Date.now() + withinMs;
      while (!followers.every(hasAll) && Date.now() < untilMs) {
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      over.abort();
      await Promise.all(running);
      const found = followers.flatMap((follower) => differences(follower, wanted(follower)));
      return found.length > 0 ? found : await resumeAnywhere(wanted);
    },
  };
}

function take({ positions, cursors }: Follower, position: bigint, cursor: string): void {
  positions.push(position);
  cursors.push(cursor);
}

function differences({ name, positions }: Follower, wanted: readonly bigint[]): Finding[] {
  const given = new Set(positions);
  const stored = new Set(wanted);
  const texts = (found: readonly bigint[]) => found.map(String);
  return [
    ...findingOf(
      'I7',
      `stored, and the follower (${name}) was not given it`,
      texts(wanted.filter((p) => !given.has(p))),
    ),
    ...findingOf(
      'I7',
      `not stored, and the follower (${name}) was given it`,
      texts(positions.filter((p) => !stored.has(p))),
    ),
    ...findingOf(
      'I7',
      `given out of order or twice to the follower (${name})`,
      texts(positions.filter((p, i) => i > 0 && p <= (positions[i - 1] as bigint))),
    ),
  ];
}
