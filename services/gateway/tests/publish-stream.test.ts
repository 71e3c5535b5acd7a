import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type IngestServiceClient,
  IngestServiceService,
  Outcome,
  WaitFor,
} from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Copy, Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import {
  ServerReflectionClient,
  type ServerReflectionResponse,
} from '@eventsieve/contract/gen/grpc/reflection/v1/reflection';
import { credentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { eventOf } from '../../../tests/support/publishers.js';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { startTestGateway, type TestGateway } from './gateway-fixture.js';
import { openStream } from './open-stream.js';

let gateway: TestGateway;
afterEach(() => gateway.stop());

const start = async (environment?: Readonly<Record<string, string>>) => {
  gateway = await startTestGateway(environment);
};
const event = (eventId: string, payload = '{"n":1}') => eventOf({ topic: 'orders', eventId, payload });
const { WAIT_FOR_BROKER, WAIT_FOR_STORED } = WaitFor;
const storedIds = async () =>
  (await gateway.messages()).map(({ data }) => Buffer.from(Copy.decode(data).eventId).toString());

test('answers come in the order of the requests, whatever each of them waits for', async () => {
  await start();
  // A worker that is in no hurry, and answers the last one first.
  const late: (() => void)[] = [];
  gateway.connection.subscribe(`${gateway.names.eventSubjectPrefix}>`, {
    callback: (_, message) => {
      const { replyTo, ticket } = Copy.decode(message.data);
      if (replyTo === '') return;
      const verdict = { ticket, outcome: Outcome.OUTCOME_STORED, position: ticket, firstSeenAtUs: 0n, reason: '' };
      late.unshift(() => gateway.connection.publish(replyTo, Verdicts.encode({ verdicts: [verdict] }).finish()));
    },
  });
  await gateway.connection.flush();
  const stream = openStream(gateway.client);
  const ids = Array.from({ length: 12 }, (_, i) => `e${i}`);
  for (const [i, id] of ids.entries()) {
    stream.send([event(id)], { waitFor: i % 3 === 0 ? WAIT_FOR_BROKER : WAIT_FOR_STORED });
  }
  await waitUntil('all of them to wait', () => late.length === 8);
  expect(stream.ids()).toEqual([['e0']]);
  for (const answer of late) answer();
  stream.end();
  expect(await stream.ended).toBeUndefined();
  expect(stream.ids()).toEqual(ids.map((id) => [id]));
  expect(stream.answers.map(({ results }) => results[0]?.outcome)).toEqual(
    ids.map((_, i) => (i % 3 === 0 ? Outcome.OUTCOME_ACCEPTED : Outcome.OUTCOME_STORED)),
  );
});

test('requests sent without waiting stand in the stream in their order', async () => {
  await start();
  const stream = openStream(gateway.client);
  const requests = Array.from({ length: 120 }, (_, i) => Array.from({ length: (i % 5) + 1 }, (_, k) => `e${i}-${k}`));
  for (const ids of requests) stream.send(ids.map((id) => event(id)));
  stream.end();
  expect(await stream.ended).toBeUndefined();
  expect(stream.ids()).toEqual(requests);
  expect(await storedIds()).toEqual(requests.flat());
});

test('a bad request ends the stream once those before it are answered, and says which one and which field', async () => {
  await start();
  const stream = openStream(gateway.client);
  for (const id of ['e0', 'e1', 'e2']) stream.send([event(id)]);
  stream.send([event('e3'), { ...event('bad'), topic: '' }]);
  for (const id of ['e4', 'e5']) stream.send([event(id)]);
  expect(await stream.ended).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^request 3 of the stream: events\[1\]\.topic: /),
    request: 3,
    fields: [{ index: 1, field: 'topic' }],
  });
  expect(stream.ids()).toEqual([['e0'], ['e1'], ['e2']]);
  expect(await storedIds()).toEqual(['e0', 'e1', 'e2']);
});

test('with allow_partial the stream goes on after a bad event', async () => {
  await start();
  const stream = openStream(gateway.client);
  stream.send([{ ...event('bad'), topic: '' }], { allowPartial: true });
  stream.send([event('e1')]);
  stream.end();
  expect(await stream.ended).toBeUndefined();
  expect(stream.answers.map(({ results }) => results[0]?.outcome)).toEqual([
    Outcome.OUTCOME_REJECTED,
    Outcome.OUTCOME_ACCEPTED,
  ]);
});

test('bytes that are no request end the stream after the answers, and a stream without requests ends well', async () => {
  await start();
  const call = gateway.client.makeBidiStreamRequest(
    IngestServiceService.publishStream.path,
    (body: Uint8Array) => Buffer.from(body),
    IngestServiceService.publishStream.responseDeserialize,
  );
  const stream = openStream({ publishStream: () => call } as unknown as IngestServiceClient);
  call.write(
    IngestServiceService.publishStream.requestSerialize({ events: [event('e0')], waitFor: 0, allowPartial: false }),
  );
  call.write(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0x7f]));
  expect(await stream.ended).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'UNDECODABLE', request: 1 });
  expect(stream.ids()).toEqual([['e0']]);

  const empty = openStream(gateway.client);
  empty.end();
  expect(await empty.ended).toBeUndefined();
});

test('clients that ask what there is are told of a stream both ways', async () => {
  await start();
  const reflection = new ServerReflectionClient(gateway.address, credentials.createInsecure());
  const call = reflection.serverReflectionInfo();
  const answer = new Promise<ServerReflectionResponse>((resolve) => call.on('data', resolve));
  call.write({ host: '', fileContainingSymbol: 'eventsieve.v1.IngestService.PublishStream' });
  const files = (await answer).fileDescriptorResponse?.fileDescriptorProto ?? [];
  const ended = new Promise((resolve) => call.on('end', resolve));
  call.end();
  await ended;
  reflection.close();
  const methods = files
    .map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes))
    .flatMap(({ service }) => service.flatMap(({ method }) => method));
  expect(methods.find(({ name }) => name === 'PublishStream')).toMatchObject({
    inputType: '.eventsieve.v1.PublishRequest',
    outputType: '.eventsieve.v1.PublishResponse',
    clientStreaming: true,
    serverStreaming: true,
  });
});
