import type { EventsieveError } from '@eventsieve/contract/errors';
import { type IngestServiceClient, type PublishResponse, WaitFor } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { fromGrpcError } from '@eventsieve/contract/grpc-errors';
import type { ServiceError } from '@grpc/grpc-js';
import { type Answered, eventOf, type Planned } from './publishers.js';

export interface StreamOptions {
  readonly makeClient: () => IngestServiceClient;
  /** What the request at this place waits for. */
  readonly waitFor?: (index: number) => WaitFor;
  /** Said no more often than this, a failed stream is followed by another with all that has no answer. */
  readonly onEnded?: (error: EventsieveError) => Promise<'again' | 'enough'>;
}

export interface Streamed {
  /** Copies answered, in the order of their answers. */
  readonly answered: (Answered & { readonly position: bigint })[];
  readonly done: Promise<void>;
}

/** Sends batches over one stream as fast as it takes them. */
export function streamAll(batches: readonly (readonly Planned[])[], options: StreamOptions): Streamed {
  const { makeClient, waitFor = () => WaitFor.WAIT_FOR_BROKER, onEnded = async () => 'enough' } = options;
  const answered: Streamed['answered'] = [];
  let answers = 0;

  function take({ results }: PublishResponse): void {
    const batch = batches[answers++] ?? [];
    for (const [index, planned] of batch.entries()) {
      const result = results[index];
      if (result?.eventId !== planned.eventId) throw new Error(`an answer is not that of ${planned.eventId}`);
      answered.push({ ...planned, outcome: result.outcome, position: result.position });
    }
  }

  async function oneStream(client: IngestServiceClient): Promise<EventsieveError | undefined> {
    const call = client.publishStream();
    let open = true;
    let wake = () => {};
    const ended = new Promise<EventsieveError | undefined>((resolve) => {
      call.on('data', take);
      call.on('error', (error: ServiceError) => resolve(fromGrpcError(error)));
      call.on('status', ({ code }) => code === 0 && resolve(undefined));
    }).finally(() => {
      open = false;
      wake();
    });
    call.on('drain', () => wake());
    for (let index = answers; open && index < batches.length; index++) {
      const events = (batches[index] ?? []).map((planned) => eventOf(planned));
      if (call.write({ events, waitFor: waitFor(index), allowPartial: false })) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (!open) resolve();
      });
    }
    call.end();
    return await ended;
  }

  async function run(): Promise<void> {
    for (;;) {
      const client = makeClient();
      const error = await oneStream(client).finally(() => client.close());
      if (error === undefined || (await onEnded(error)) === 'enough') return;
    }
  }
  return { answered, done: run() };
}

/** The plan in requests of so many copies. */
export function batchesOf(planned: readonly Planned[], size: number): Planned[][] {
  return Array.from({ length: Math.ceil(planned.length / size) }, (_, i) => planned.slice(i * size, (i + 1) * size));
}
