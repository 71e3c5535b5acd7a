import { IngestServiceService } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { fill, grpcTemplate } from './events.js';
import { readAnswer } from './grpc-door.js';
import type { LoadPlan } from './plan.js';
import type { Answer, Door } from './run-load.js';

const asItIs = (bytes: Buffer) => bytes;

interface Asked {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** One stream for each connection; answers come in the order of the requests. */
export function openStreamDoor(plan: LoadPlan): Door {
  const template = grpcTemplate(plan.batch, plan.payload, plan.stored, plan.ids);
  const streams = Array.from({ length: plan.connections }, () => openStream(plan.target));
  return {
    send: (lane, next) =>
      new Promise((resolve, reject) => {
        streams[lane % streams.length]?.ask(fill(template, next), { resolve, reject });
      }),
    close: () => streams.forEach((stream) => void stream.close()),
  };
}

function openStream(target: string) {
  // With a connection of its own: grpc-js would let clients of one address share one.
  const client = new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const asked: Asked[] = [];
  const stream: ClientDuplexStream<Buffer, Answer> = client.makeBidiStreamRequest(
    IngestServiceService.publishStream.path,
    asItIs,
    readAnswer,
  );
  stream.on('data', (answer: Answer) => asked.shift()?.resolve(answer));
  stream.on('error', (error) => {
    for (const { reject } of asked.splice(0)) reject(error);
  });
  return {
    ask(bytes: Buffer, one: Asked): void {
      asked.push(one);
      stream.write(bytes);
    },
    close(): void {
      stream.end();
      client.close();
    },
  };
}
