import type { IngestServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { QueryServiceClient } from '@eventsieve/contract/gen/eventsieve/v1/query';
import {
  HealthClient,
  HealthCheckResponse_ServingStatus as Status,
} from '@eventsieve/contract/gen/grpc/health/v1/health';
import { credentials, type Client as GrpcClient } from '@grpc/grpc-js';
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
  /** Why it did not answer. */
  readonly error?: EventsieveError;
}

export async function checkHealth(
  gateway: Peer<IngestServiceClient>,
  query: Peer<QueryServiceClient>,
  settings: CallSettings,
): Promise<Health> {
  const [first, second] = await Promise.all([checkServer(gateway, settings), checkServer(query, settings)]);
  return { ok: first.status === 'serving' && second.status === 'serving', gateway: first, query: second };
}

async function checkServer(peer: Peer<GrpcClient>, settings: CallSettings): Promise<ServerHealth> {
  const { address } = peer;
  // On the connection that there is.
  const client = new HealthClient(address, credentials.createInsecure(), { channelOverride: peer.client.getChannel() });
  try {
    const { status } = await callUnary({ ...peer, client }, client.check, { service: '' }, settings);
    return { address, status: status === Status.SERVING ? 'serving' : 'not_serving' };
  } catch (error) {
    if (!(error instanceof EventsieveError)) throw error;
    return { address, status: 'unreachable', error };
  }
}
