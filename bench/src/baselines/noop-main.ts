import { IngestServiceService, Outcome, type PublishRequest } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import fastify from 'fastify';
import type { NoopDoor } from './noop.js';

// The libraries that the doors are built of, with a handler that does nothing: what they cost before any work begins.

const result = (topic: string, eventId: string) => ({
  topic,
  eventId,
  outcome: Outcome.OUTCOME_ACCEPTED,
  position: 0n,
  firstSeenAt: undefined,
  error: undefined,
});

function publish({ request }: ServerUnaryCall<PublishRequest, unknown>, answer: sendUnaryData<unknown>): void {
  const { length } = request.events;
  const results = request.events.map(({ topic, eventId }) => result(topic, eventId));
  answer(null, { received: length, accepted: length, inserted: 0, duplicates: 0, conflicts: 0, rejected: 0, results });
}

async function serveGrpc(): Promise<string> {
  const server = new Server();
  server.addService({ publish: IngestServiceService.publish } as never, { publish } as never);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
  return `127.0.0.1:${port}`;
}

async function serveHttp(): Promise<string> {
  const http = fastify();
  http.post('/publish', (_request, reply) =>
    reply.code(201).send({ received: 1, accepted: 1, inserted: 1, duplicates: 0, conflicts: 0, results: [] }),
  );
  return await http.listen({ host: '127.0.0.1', port: 0 });
}

const serve: Record<NoopDoor, () => Promise<string>> = { grpc: serveGrpc, http: serveHttp };
process.send?.(await serve[process.argv[2] as NoopDoor]());
process.on('disconnect', () => process.exit(0));
