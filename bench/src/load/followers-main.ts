import { connect, type Socket } from 'node:net';
import type { FollowerPlan, FollowerResult } from './followers.js';
import { createLatencies } from './latencies.js';

// A process of its own: what a thousand followers cost is not to be part of what the service costs.

const mark = Buffer.from('\ndata: ');
const receivedAt = /"received_at":"([^"]+)"/;

interface Follower {
  readonly socket: Socket;
  events: number;
  /** The end of what came last, in which a mark may have begun. */
  rest: Buffer;
}

const followers: Follower[] = [];
let latencies = createLatencies();

/** Resolves when the first bytes of the stream have come. */
function open({ host, port, path }: FollowerPlan, timed: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    const follower: Follower = { socket, events: 0, rest: Buffer.alloc(0) };
    followers.push(follower);
    socket.on('error', reject);
    socket.once('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`));
    socket.once('data', (first: Buffer) => {
      if (!first.toString('latin1').startsWith('HTTP/1.1 200')) reject(new Error(first.toString()));
      resolve();
    });
    socket.on('data', (chunk: Buffer) => take(follower, chunk, timed));
  });
}

function take(follower: Follower, chunk: Buffer, timed: boolean): void {
  const bytes = follower.rest.length === 0 ? chunk : Buffer.concat([follower.rest, chunk]);
  let events = 0;
  let from = 0;
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, from)) {
    from = at + mark.length;
    events++;
  }
  follower.rest = Buffer.from(bytes.subarray(Math.max(from, bytes.length - mark.length + 1)));
  follower.events += events;
  if (!timed || events === 0) return;
  for (const line of bytes.toString().split('\n')) {
    const at = receivedAt.exec(line)?.[1];
    if (at !== undefined) latencies.add(Date.now() - Date.parse(at));
  }
}

process.on('message', async (message: FollowerPlan | 'count' | 'begin') => {
  try {
    if (message === 'begin') {
      latencies = createLatencies();
      for (const follower of followers) follower.events = 0;
    } else if (message !== 'count') {
      // The first one is timed: the others would have to be parsed, and that takes from what is measured.
      for (let i = 0; i < message.count; i++) await open(message, i === 0);
    }
    const events = followers.map((follower) => follower.events);
    const result: FollowerResult = {
      open: followers.filter(({ socket }) => !socket.destroyed).length,
      events: events.reduce((sum, each) => sum + each, 0),
      least: Math.min(...events),
      most: Math.max(...events),
      latency: latencies.percentiles(),
    };
    process.send?.({ result });
  } catch (error) {
    process.send?.({ problem: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
