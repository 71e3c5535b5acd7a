import type { DoorEvent } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { type Fault, type ValidEvent, validateEvent } from '@eventsieve/gateway/validate/validate-event';
import { isFault } from '@eventsieve/gateway/validate/validate-request';
import fc from 'fast-check';
import { type Accepted, shown } from './accepted.js';
import { bodyBytes } from './body-inputs.js';
import { payloadText } from './json-inputs.js';
import { checkNeedful, checkStruct, checkTaken, judgeBody, judgeRequest } from './judge.js';
import { limits } from './limits.js';
import { requestBytes } from './request-inputs.js';
import { structInput } from './struct-inputs.js';

/** What came of the inputs of one kind. */
export interface Tally {
  taken: number;
  refused: number;
}

export type Take = (accepted: readonly Accepted[]) => void;

/** One kind of input and what must be true of it; whatever is taken is handed on to be stored. */
export interface Kind {
  readonly name: string;
  /** Its part of all inputs. */
  readonly share: number;
  readonly property: (tally: Tally, take: Take, unique: () => string) => fc.IProperty<[unknown]>;
}

const base = { topic: Buffer.from('fuzz'), source: Buffer.from('s'), timestamp: { seconds: 0n, nanos: 0 } };

function judgeEvent(event: Omit<DoorEvent, keyof typeof base>, tally: Tally): ValidEvent | Fault {
  const result = validateEvent({ ...base, ...event }, limits);
  if (isFault(result)) tally.refused++;
  else tally.taken++;
  return result;
}

function nameOf(fault: Fault, input: Uint8Array | string): void {
  if (/^payload(?:$|[.[])/.test(fault.field) && fault.field.length <= 700) return;
  throw new Error(`refused at "${fault.field.slice(0, 100)}" (${fault.field.length} characters): ${shown(input)}`);
}

export const kinds: readonly Kind[] = [
  {
    name: 'payload_json',
    share: 0.4,
    property: (tally, take, unique) =>
      fc.property(payloadText, (text) => {
        const payloadJson = Buffer.from(text);
        // A lone half in the text itself is no more once it is UTF-8.
        const sent = payloadJson.toString();
        const result = judgeEvent({ eventId: Buffer.from(unique()), payloadJson }, tally);
        if (!isFault(result)) {
          checkTaken(sent);
          return take([{ event: result, sent, from: shown(sent) }]);
        }
        nameOf(result, text);
        checkNeedful(sent, result.message);
      }) as fc.IProperty<[unknown]>,
  },
  {
    name: 'Struct',
    share: 0.2,
    property: (tally, take, unique) =>
      fc.property(structInput, ({ bytes, json }) => {
        const result = judgeEvent({ eventId: Buffer.from(unique()), payload: bytes }, tally);
        if (isFault(result)) {
          nameOf(result, bytes);
          if (json !== undefined) throw new Error(`refused without need (${result.message}): ${shown(bytes)}`);
          return;
        }
        if (json === undefined) throw new Error(`was taken: ${shown(bytes)}`);
        checkStruct(result, json, bytes);
        take([{ event: result, sent: json, from: shown(bytes) }]);
      }) as fc.IProperty<[unknown]>,
  },
  {
    name: 'PublishRequest',
    share: 0.2,
    property: (tally, take) =>
      fc.property(requestBytes, (bytes) => {
        const judged = judgeRequest(bytes);
        if (judged.kind !== 'taken') tally.refused++;
        else {
          tally.taken++;
          take(judged.accepted);
        }
      }) as fc.IProperty<[unknown]>,
  },
  {
    name: 'HTTP body',
    share: 0.2,
    property: (tally, take) =>
      fc.property(bodyBytes, fc.boolean(), (body, allowPartial) => {
        const judged = judgeBody(body, allowPartial);
        if (judged.kind !== 'taken') tally.refused++;
        else {
          tally.taken++;
          take(judged.accepted);
        }
      }) as unknown as fc.IProperty<[unknown]>,
  },
];
