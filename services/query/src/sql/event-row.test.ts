import { PayloadFormat } from '@eventsieve/contract/gen/eventsieve/v1/event';
import { expect, test } from 'vitest';
import { storedEventOf } from './event-row.js';

const row = (payload: string) => ({
  position: '1',
  topic: 't',
  event_id: 'e',
  source: 's',
  payload,
  timestamp_us: '0',
  received_at_us: '0',
});
const structOf = (payload: string) => storedEventOf(row(payload), PayloadFormat.PAYLOAD_FORMAT_STRUCT).event?.payload;

test('a number beyond the range of a double is the largest double in a Struct, which has no Infinity', () => {
  const large = `1${'0'.repeat(400)}`;
  expect(structOf(`{"a": ${large}, "b": [-${large}, 1.5], "c": "${large}"}`)).toEqual({
    a: Number.MAX_VALUE,
    b: [-Number.MAX_VALUE, 1.5],
    c: large,
  });
});

test('as text nothing of it is lost', () => {
  const payload = `{"a": 1${'0'.repeat(400)}.10}`;
  expect(storedEventOf(row(payload), PayloadFormat.PAYLOAD_FORMAT_JSON).event?.payloadJson).toBe(payload);
});
