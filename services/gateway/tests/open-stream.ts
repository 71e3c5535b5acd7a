import type { EventsieveError } from '@eventsieve/contract/errors';
import type { Event } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { type IngestServiceClient, type PublishResponse, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import { type CallOptions, Metadata, type ServiceError } from '@grpc/grpc-js';

export interface RequestOptions {
  readonly waitFor?: WaitFor;
  readonly allowPartial?: boolean;
}

/** One PublishStream call. Whoever opens it says when it reads. */
export function openStream(client: IngestServiceClient, { deadline, reads = true }: CallOptions & { reads?: boolean }) {
  const call = client.publishStream(new Metadata(), deadline === undefined ? {} : { deadline });
  const answers: PublishResponse[] = [];
  /** Undefined: OK. */
  const ended = new Promise<EventsieveError | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(fromGrpcError(error)));
    call.on('status', ({ code }) => code === 0 && resolve(undefined));
  });
  const read = () => call.on('data', (answer: PublishResponse) => answers.push(answer));
  if (reads) read();
  return {
    call,
    answers,
    ended,
    read,
    send: (events: Event[], { waitFor = WaitFor.WAIT_FOR_BROKER, allowPartial = false }: RequestOptions = {}) =>
      call.write({ events, waitFor, allowPartial }),
    end: () => call.end(),
    /** The ids that were answered. */
    ids: () => answers.map(({ results }) => results.map(({ eventId }) => eventId)),
  };
}
