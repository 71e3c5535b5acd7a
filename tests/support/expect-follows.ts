import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type Following, portOf } from './examples.js';
import { followHttp } from './followers.js';
import type { System } from './system.js';
import { startProxy } from './tcp-proxy.js';
import { waitUntil } from './wait-until.js';

export interface FollowPlan {
  /** Of the server that is followed. */
  readonly address: string;
  /** What it follows; nobody else publishes there. */
  readonly topic: string;
  readonly payload?: object;
  /** Where it keeps its cursor. */
  readonly file: string;
  /** Starts the example against a server on this machine; each time it finds the place that it left. */
  readonly start: (port: number) => Following;
  /** The event that a line is about. */
  readonly idOf: (line: string) => string;
}

/** Holds an example that follows to what it says: from the start, on after a broken connection, and on when run again. */
export async function expectFollows(system: System, plan: FollowPlan): Promise<void> {
  const { address, topic, payload, file, start, idOf } = plan;
  const publish = (...eventIds: string[]) => publishTo(system, topic, eventIds, payload);
  const proxy = await startProxy(portOf(address));
  const witness = await followHttp(system.http, { topic, from: 'start' });
  try {
    await publish('f-1', 'f-2');
    const first = start(proxy.port);
    try {
      await heard(first, 2);
      proxy.cut();
      await publish('f-3');
      await heard(first, 3);
      await publish('f-4');
      await heard(first, 4);
      // Ended between a line and its cursor it would print that line a second time, as it says itself.
      const last = await waitUntil('the cursor of the fourth', () => witness.cursors[3]);
      await waitUntil('the cursor is kept', () => readFileSync(file, 'utf8').trim() === last);
    } finally {
      await first.stop();
    }
    expect(first.lines().map(idOf)).toEqual(['f-1', 'f-2', 'f-3', 'f-4']);

    await publish('f-5');
    const second = start(portOf(address));
    try {
      await heard(second, 1);
    } finally {
      await second.stop();
    }
    expect(second.lines().map(idOf)).toEqual(['f-5']);
  } finally {
    await witness.stop();
    await proxy.stop();
  }
}

async function heard(following: Following, count: number): Promise<void> {
  const look = () => following.lines().length >= count;
  await waitUntil(`${count} lines`, look).catch((error: Error) => {
    throw new Error(`${error.message}\n${following.lines().join('\n')}\n${following.complaints()}`);
  });
}

/** Publishes through the bridge, as somebody who is none of the examples. */
export async function publishTo(
  { http }: Pick<System, 'http'>,
  topic: string,
  eventIds: readonly string[],
  payload: object = {},
): Promise<void> {
  const timestamp = new Date().toISOString();
  const events = eventIds.map((event_id) => ({ topic, event_id, timestamp, source: 'somebody', payload }));
  const answer = await fetch(`${http}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
  });
  expect(await answer.json()).toMatchObject({ inserted: eventIds.length });
}
