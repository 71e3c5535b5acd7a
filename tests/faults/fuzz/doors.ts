import type { Pool } from 'pg';
import type { World } from '../world/world.js';

/** A running system, from outside. */
export interface Doors {
  readonly http: string;
  /** host:port of the two gRPC servers. */
  readonly gateway: string;
  readonly query: string;
  readonly pool: Pool;
  readonly processes: readonly DoorProcess[];
}

export interface DoorProcess {
  readonly name: string;
  readonly pid: () => number | undefined;
  /** The last of what it printed. */
  readonly output: () => string;
}

/** Past the links, which are broken elsewhere. */
export function doorsOf({ direct, gateways, services }: World): Doors {
  return {
    ...direct,
    gateway: gateways.at(-1) as string,
    processes: services.map((each) => ({ name: each.name, pid: () => each.pid, output: () => each.output() })),
  };
}
