import {
  HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { type CallSettings, callUnary, type Peer } from './call.js';
import { EventsieveError } from './error.js';

export interface Health {
  /** Both serve. */
  readonly ok: boolean;
  readonly gateway: ServerHealth;
  readonly query: ServerHealth;
}

export interface ServerHealth {
  readonly address: string;
  /** `not_serving`: it answers, and lacks something. `unreachable`: it does not answer. */
  readonly status: 'serving' | 'not_serving' | 'unreachable';
  /** What it leans on, and whether it has that, such as `{ postgres: true, nats: false }`. */
  readonly parts: Readonly<Record<string, boolean>>;
  /** Why it did not answer. */
  readonly error?: EventsieveError;
}

export async function checkHealth(gateway: Peer, query: Peer, settings: CallSettings): Promise<Health> {
  const [first, second] = await Promise.all([
    checkServer(gateway, ['nats'], settings),
    checkServer(query, ['postgres', 'nats'], settings),
  ]);
  return { ok: first.status === 'serving' && second.status === 'serving', gateway: first, query: second };
}

async function checkServer(peer: Peer, names: readonly string[], settings: CallSettings): Promise<ServerHealth> {
  const { address } = peer;
  const isServing = async (service: string) => {
    const { status } = await callUnary(peer, HealthService.check, { service }, settings);
    return status === Status.SERVING;
  };
  try {
    const [serving, ...parts] = await Promise.all(['', ...names].map(isServing));
    return {
      address,
      status: serving ? 'serving' : 'not_serving',
      parts: Object.fromEntries(names.map((name, index) => [name, parts[index] ?? false])),
    };
  } catch (error) {
    if (!(error instanceof EventsieveError)) throw error;
    return { address, status: 'unreachable', parts: {}, error };
  }
}
