import { EventsieveError } from '@eventsieve/contract/errors';
import { describe, expect, it, test } from 'vitest';
import { isBad } from './read-event.js';
import { readEvents } from './read-events.js';

const good = { topic: 't', event_id: 'e', source: 's', timestamp: '2024-05-01T12:00:00Z' };
const text = JSON.stringify(good);
const read = (body: string, max = 10) => readEvents(body, max);

function faultsOf(body: string): string[] {
  try {
    return read(body).events.flatMap((event, index) =>
      isBad(event) ? event.faults.map(({ field, message }) => `${index} ${field}: ${message}`) : [],
    );
  } catch (error) {
    if (!(error instanceof EventsieveError)) throw error;
    return [`${error.code} ${error.message}`];
  }
}

describe('the shape of the body', () => {
  it.each([
    [text, true, 1],
    [`[${text}]`, false, 1],
    [`{"events":[${text},${text}]}`, false, 2],
    ['[]', false, 0],
    [' { "events" : [ ] } ', false, 0],
  ])('%s: alone %s, %i events', (body, single, count) => {
    expect(read(body)).toMatchObject({ single, events: { length: count } });
    expect(faultsOf(body)).toEqual([]);
  });

  it.each([
    ['', 'INVALID_ARGUMENT body: is not valid JSON: expected a value at offset 0, but the text ends'],
    ['"x"', 'INVALID_ARGUMENT body: must be an event, an array of events, or {"events": […]}'],
    ['null', 'INVALID_ARGUMENT body: must be an event, an array of events, or {"events": […]}'],
    ['{"events":{}}', 'INVALID_ARGUMENT events: must be an array'],
    ['{"events":[],"wait":1}', 'INVALID_ARGUMENT wait: is an unknown field'],
    ['{"events":[],"events":[]}', 'INVALID_ARGUMENT events: is a duplicate key'],
    [`${text} x`, 'INVALID_ARGUMENT body: is not valid JSON: something follows the value at offset 77'],
    [`{"events":[${text},{"topic":nope}]}`, 'INVALID_ARGUMENT events[1].topic: is not valid JSON: expected a value'],
    [`[${text},{"payload":{"a":[1,}}]`, 'INVALID_ARGUMENT events[1].payload.a[1]: is not valid JSON: expected a value'],
    ['{"payload":{"a":01}}', 'INVALID_ARGUMENT events[0].payload: is not valid JSON'],
    ['{"events":[1}', 'INVALID_ARGUMENT events: is not valid JSON: expected "," or "]"'],
    ['[0,0,0,0,0,0,0,0,0,0,0]', 'PAYLOAD_TOO_LARGE events: must hold at most 10 events'],
    ['{"events":[0,0,0,0,0,0,0,0,0,0,0]}', 'PAYLOAD_TOO_LARGE events: must hold at most 10 events'],
  ])('%s is refused', (body, message) => {
    expect(faultsOf(body)).toEqual([expect.stringContaining(message)]);
  });
});

it('has a bound on nesting', () => {
  expect(faultsOf(`{"payload":${'['.repeat(5000)}`)).toEqual([expect.stringContaining('events[0].payload[0]')]);
});

it('passes a payload on as it stands, and an absent one as {}', () => {
  const payload = '{ "n": 1.10, "big":123456789012345678901234567890, "a":1,"a":2 }';
  const [first, second] = read(`[${text.slice(0, -1)},"payload":${payload}},${text}]`).events;
  expect(first).toMatchObject({ payloadJson: payload, topic: 't', eventId: 'e', source: 's' });
  expect(second).toMatchObject({ payloadJson: '{}' });
});

test.each([
  [{ ...good, topic: undefined }, ['0 topic: is missing']],
  [{}, ['0 topic: is missing', '0 event_id: is missing', '0 source: is missing', '0 timestamp: is missing']],
  [{ ...good, topic: 5 }, ['0 topic: must be a string, not a number']],
  [{ ...good, event_id: null }, ['0 event_id: must be a string, not null']],
  [{ ...good, source: { a: 1 } }, ['0 source: must be a string, not an object']],
  [{ ...good, timestamp: 1714564800 }, ['0 timestamp: must be a string, not a number']],
  [{ ...good, timestamp: '2024-05-01' }, [expect.stringContaining('0 timestamp: must be an ISO 8601')]],
  [{ ...good, eventId: 'x' }, ['0 eventId: is an unknown field']],
  [{ ...good, 'a b': 'x' }, ['0 ["a b"]: is an unknown field']],
  [{ ...good, source: '\ud800' }, ['0 source: contains a lone surrogate']],
])('%j', (event, faults) => {
  expect(faultsOf(JSON.stringify(event))).toEqual(faults);
});

it('names every fault of every event', () => {
  expect(faultsOf(`[${text},1,${text.replace('"t"', '1')},{"topic":"a","topic":"b"}]`)).toEqual([
    '1 : must be an object, not a number',
    '2 topic: must be a string, not a number',
    '3 topic: is a duplicate key',
    '3 event_id: is missing',
    '3 source: is missing',
    '3 timestamp: is missing',
  ]);
});
