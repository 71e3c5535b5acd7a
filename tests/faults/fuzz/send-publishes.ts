import { type Agent, request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { PublishResponse } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import fc from 'fast-check';
import type { Random } from '../random.js';
import { type Accepted, shown } from './accepted.js';
import { bodyBytes } from './body-inputs.js';
import type { Doors } from './doors.js';
import { frameOf, type GrpcLine } from './grpc-line.js';
import { answerFault, type HttpAnswer } from './http-line.js';
import { judgeBody, judgeRequest } from './judge.js';
import { requestBytes } from './request-inputs.js';

/** What was sent and taken, by id: the stored event must be one of these. */
export type Ledger = Map<string, Accepted[]>;

export interface Sent {
  taken: number;
  refused: number;
  pressed: number;
}

export interface Sending {
  readonly doors: Doors;
  readonly ledger: Ledger;
  /** The ids that were answered with success. */
  readonly answered: Set<string>;
  readonly sent: Sent;
  readonly find: (what: string) => void;
}

export const publishPath = '/eventsieve.v1.IngestService/Publish';
const grpcCode = { invalid: 3, pressed: new Set([4, 8, 14]) };

export const keyOf = (topic: Uint8Array | string, eventId: Uint8Array | string) =>
  `${Buffer.from(topic).toString()}\n${Buffer.from(eventId).toString()}`;

/** Before it is sent: what broke off may have been stored all the same. */
function enter(ledger: Ledger, accepted: readonly Accepted[]): void {
  for (const each of accepted) {
    const key = keyOf(each.event.topic, each.event.eventId);
    const known = ledger.get(key);
    if (known === undefined) ledger.set(key, [each]);
    else known.push(each);
  }
}

export function samplesOf<T>(arbitrary: fc.Arbitrary<T>, random: Random, count: number): T[] {
  return fc.sample(arbitrary, { numRuns: count, seed: random.whole(0, 2 ** 31 - 1) });
}

function note(answered: Set<string>, accepted: readonly Accepted[]): void {
  for (const { event } of accepted) answered.add(keyOf(event.topic, event.eventId));
}

const chunk = 40;

/** Requests over gRPC, now and then compressed; the answer must be what the door's functions say. */
export async function sendRequests(sending: Sending, line: GrpcLine, random: Random): Promise<number> {
  for (const bytes of samplesOf(requestBytes, random, chunk)) {
    const { ledger, sent, find } = sending;
    const judged = judgeRequest(bytes);
    const accepted = judged.kind === 'taken' ? judged.accepted : [];
    enter(ledger, accepted);
    const call = random.chance(0.1)
      ? { data: frameOf(gzipSync(bytes), 1), headers: { 'grpc-encoding': 'gzip' } }
      : { data: frameOf(bytes) };
    const { code, message, body, late } = await line.call({ path: publishPath, ...call });
    if (late) find(`no answer to ${shown(bytes)}`);
    else if (code === undefined || grpcCode.pressed.has(code)) sent.pressed++;
    else if (code === 0) {
      sent.taken++;
      note(sending.answered, accepted);
      if (judged.kind !== 'taken') find(`was taken, though it is ${judged.kind}: ${shown(bytes)}`);
      const { results } = PublishResponse.decode(body.subarray(5));
      if (judged.kind === 'taken' && results.length !== accepted.length + judged.refused) {
        find(`has ${results.length} results: ${shown(bytes)}`);
      }
    } else if (code !== grpcCode.invalid) find(`was answered with ${code} (${message}): ${shown(bytes)}`);
    else {
      sent.refused++;
      if (judged.kind === 'taken') find(`was refused (${message}): ${shown(bytes)}`);
    }
  }
  return chunk;
}

/** The same over HTTP. */
export async function sendBodies(sending: Sending, agent: Agent, random: Random): Promise<number> {
  for (const body of samplesOf(bodyBytes, random, chunk)) {
    const { doors, ledger, sent, find } = sending;
    const partial = random.chance(0.5);
    const judged = judgeBody(body, partial);
    const accepted = judged.kind === 'taken' ? judged.accepted : [];
    enter(ledger, accepted);
    const zipped = random.chance(0.1);
    const query = `?wait=${random.pick(['stored', 'broker'])}&allow_partial=${partial}`;
    const answer = await post(`${doors.http}/publish${query}`, zipped ? gzipSync(body) : body, zipped, agent);
    if (answer === undefined) {
      find(`no answer to ${shown(body)}`);
      continue;
    }
    const fault = answerFault(answer);
    if (fault !== undefined) find(`${fault}: ${shown(body)}`);
    if (answer.status === 503 || answer.status === 429) sent.pressed++;
    else if (answer.status === 400 || answer.status === 413) {
      sent.refused++;
      if (accepted.length > 0) find(`was refused (${answer.body.slice(0, 200)}): ${shown(body)}`);
    } else {
      sent.taken++;
      note(sending.answered, accepted);
      const onlyRejected = partial && answer.body.includes('"accepted":0');
      if (accepted.length === 0 && !onlyRejected) find(`was taken (${answer.status}): ${shown(body)}`);
    }
  }
  return chunk;
}

function post(url: string, body: Uint8Array, zipped: boolean, agent: Agent): Promise<HttpAnswer | undefined> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    };
    const request = httpRequest(url, { method: 'POST', agent, headers, timeout: 15_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', () => resolve(undefined));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
    request.end(body);
  });
}
