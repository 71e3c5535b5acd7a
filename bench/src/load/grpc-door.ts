import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { IngestServiceService } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Client, credentials } from '@grpc/grpc-js';
import { fill, grpcTemplate } from './events.js';
import type { LoadPlan } from './plan.js';
import type { Answer, Door } from './run-load.js';

const deadlineMs = 30_000;
const asItIs = (bytes: Buffer) => bytes;

export function openGrpcDoor(plan: LoadPlan): Door {
  const template = grpcTemplate(plan.batch, plan.payload, plan.stored, plan.ids);
  const clients = Array.from({ length: plan.connections }, () => openClient(plan.target));
  return {
    send(lane, next) {
      const client = clients[lane % clients.length] as Client;
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          IngestServiceService.publish.path,
          asItIs,
          readAnswer,
          fill(template, next),
          { deadline: Date.now() + deadlineMs },
          (error, answer) => (error || answer === undefined ? reject(error) : resolve(answer)),
        );
      });
    },
    close: () => clients.forEach((client) => void client.close()),
  };
}

/** With a connection of its own: grpc-js would let clients of one address share one. */
export const openClient = (target: string): Client =>
  new Client(target, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });

/** The numbers of a PublishResponse; decoding each result would load the machine without telling anything. */
export function readAnswer(bytes: Buffer): Answer {
  const reader = new BinaryReader(bytes);
  let received = 0;
  let duplicates = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.Varint) received = reader.int32();
    else if (field === 4 && type === WireType.Varint) duplicates = reader.int32();
    else reader.skip(type);
  }
  return { received, duplicates };
}
