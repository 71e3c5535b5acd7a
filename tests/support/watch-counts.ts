import { expect } from 'vitest';
import type { System } from './system.js';
import { waitUntil } from './wait-until.js';

interface CountsJson {
  readonly received: number;
  readonly redriven: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly dead_lettered: number;
  readonly in_flight: number;
}

/** Reads /stats again and again: the sum holds each time, and nothing but what is in flight ever goes down. */
export function watchCounts({ http }: Pick<System, 'http'>) {
  const faults: string[] = [];
  let readings = 0;
  let last: CountsJson | undefined;
  let stopped = false;
  async function read(): Promise<CountsJson> {
    const now = (await (await fetch(`${http}/stats`)).json()) as CountsJson;
    readings++;
    const { received, redriven, unique_processed, duplicate_dropped, dead_lettered, in_flight } = now;
    if (received + redriven !== unique_processed + duplicate_dropped + dead_lettered + in_flight) {
      faults.push(`does not add up: ${JSON.stringify(now)}`);
    }
    for (const name of ['received', 'redriven', 'unique_processed', 'duplicate_dropped', 'dead_lettered'] as const) {
      if (last && now[name] < last[name]) faults.push(`${name} went down from ${last[name]} to ${now[name]}`);
    }
    last = now;
    return now;
  }
  const running = (async () => {
    while (!stopped) await read().catch((error: unknown) => faults.push(String(error)));
  })();
  return {
    read,
    async stop() {
      // How often it has looked by now is up to the machine.
      await waitUntil('the counts were read several times', () => readings > 3 || faults.length > 3);
      stopped = true;
      await running;
      expect(faults).toEqual([]);
    },
  };
}
