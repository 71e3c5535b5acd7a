import { EventsieveError } from '@eventsieve/contract/errors';
import {
  IngestServiceService,
  Outcome,
  type PublishRequest,
  type PublishResponse,
  type PublishResult,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { duplex } from '@eventsieve/runtime/grpc-duplex';
import { createHealth } from '@eventsieve/runtime/grpc-health';
import { oneByOne } from '@eventsieve/runtime/grpc-one-by-one';
import { type CallContext, startGrpcServer, unary } from '@eventsieve/runtime/grpc-server';
import { silent } from './query-fixture.js';

type Answer = PublishResponse | EventsieveError;

export interface FakeGateway {
  readonly address: string;
  /** Every call that came, newest last. */
  readonly calls: { readonly request: PublishRequest; readonly context: CallContext }[];
  /** What it answers from now on. */
  /** How many have been opened for one request after the other. */
  streams(): number;
  answer(how: (request: PublishRequest) => Answer | Promise<Answer>): void;
  stop(): Promise<void>;
}

/** A real gRPC server that plays the gateway. */
export async function startFakeGateway(maxConnectionAgeMs?: number): Promise<FakeGateway> {
  let how: (request: PublishRequest) => Answer | Promise<Answer> = (request) => outcomes(request);
  const calls: FakeGateway['calls'] = [];
  const health = createHealth([]);
  health.set(true);
  const handle = async (request: PublishRequest, context: CallContext) => {
    calls.push({ request, context });
    const answer = await how(request);
    if (answer instanceof EventsieveError) throw answer;
    return answer;
  };
  const publish = unary(IngestServiceService.publish, handle, silent);
  let streams = 0;
  const publishStream = duplex<PublishRequest, PublishResponse>((conversation) => {
    if (conversation.oneByOne) streams++;
    return oneByOne(conversation, handle);
  }, silent);
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    portVariable: 'none',
    maxReceiveBytes: 64 * 1024 ** 2,
    drainMs: 100,
    ...(maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs }),
    services: [
      {
        definition: { publish: publish.definition, publishStream: IngestServiceService.publishStream },
        implementation: { publish: publish.handler, publishStream },
      },
      health.service,
    ],
  });
  return {
    address: server.address,
    calls,
    streams: () => streams,
    answer(next) {
      how = next;
    },
    stop: server.stop,
  };
}

/** An answer that gives the events of a request these outcomes; the last one to the rest. */
export function outcomes(request: PublishRequest, ...given: readonly Outcome[]): PublishResponse {
  const results = request.events.map(
    ({ topic, eventId }, index): PublishResult => ({
      topic,
      eventId,
      outcome: given[index] ?? given.at(-1) ?? Outcome.OUTCOME_STORED,
      position: BigInt(index + 1),
      firstSeenAt: undefined,
      error: undefined,
    }),
  );
  const count = (...wanted: readonly Outcome[]) => results.filter(({ outcome }) => wanted.includes(outcome)).length;
  const conflicts = count(Outcome.OUTCOME_CONFLICT);
  const duplicates = count(Outcome.OUTCOME_DUPLICATE) + conflicts;
  const rejected = count(Outcome.OUTCOME_REJECTED);
  return {
    received: results.length,
    accepted: results.length - duplicates - rejected,
    inserted: count(Outcome.OUTCOME_STORED),
    duplicates,
    conflicts,
    rejected,
    results,
  };
}
