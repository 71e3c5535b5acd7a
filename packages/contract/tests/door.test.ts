import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PublishRequest } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { DoorRequest } from '@eventsieve/contract/gen/eventsieve/wire/v1/door';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');

/** name -> number of every field of a message. */
function fieldsOf(proto: string, message: string): Record<string, number> {
  const body = new RegExp(`message ${message} \\{([\\s\\S]*?)\\n\\}`).exec(proto)?.[1] ?? '';
  return Object.fromEntries([...body.matchAll(/(\w+) = (\d+);/g)].map(([, name, number]) => [name, Number(number)]));
}

test("the gateway's view of a request has the field numbers of the API", () => {
  const door = read('packages/contract/wire/eventsieve/wire/v1/door.proto');
  const event = fieldsOf(read('proto/eventsieve/v1/event.proto'), 'Event');
  const request = fieldsOf(read('proto/eventsieve/v1/ingest.proto'), 'PublishRequest');
  expect(Object.keys(event).length).toBe(6);
  expect(fieldsOf(door, 'DoorEvent')).toEqual(event);
  expect(fieldsOf(door, 'DoorRequest')).toEqual(request);
});

test('a request that a client encoded is read with nothing lost', () => {
  const bytes = PublishRequest.encode({
    events: [
      {
        topic: 'orders',
        eventId: 'e1',
        source: 'shop',
        timestamp: { seconds: 1_795_230_261n, nanos: 970_049_123 },
        payloadJson: '{"n":1}',
      },
    ],
    waitFor: 2,
    allowPartial: true,
  }).finish();
  const { events, waitFor, allowPartial } = DoorRequest.decode(bytes);
  const [event] = events;
  expect({ waitFor, allowPartial }).toEqual({ waitFor: 2, allowPartial: true });
  expect(Buffer.from(event?.payloadJson ?? []).toString()).toBe('{"n":1}');
  expect(event?.payload).toBeUndefined();
  expect(event?.timestamp).toEqual({ seconds: 1_795_230_261n, nanos: 970_049_123 });
});
