import { EventsieveError } from '@eventsieve/contract/errors';
import { expect, it, test } from 'vitest';
import { isBad } from './read-event.js';
import { readLines } from './read-lines.js';

const event = { topic: 't', event_id: 'e', source: 's', timestamp: '2024-05-01T12:00:00Z' };
const line = JSON.stringify(event);
const read = (text: string) => readLines(text, 3);
const faultsOf = (text: string) =>
  read(text).events.map((each) => (isBad(each) ? each.faults.map(({ field, message }) => `${field}: ${message}`) : []));

test.each([
  ['', 0],
  ['\n \r\n', 0],
  [line, 1],
  [`${line}\n`, 1],
  [`\n${line}\r\n\n  ${line}`, 2],
  [` \n\t\r\n${line}\n \n`, 1],
  [` \n${line}\n  `, 1],
])('%j has %i events, and is a batch', (text, count) => {
  expect(read(text)).toMatchObject({ single: false, events: { length: count } });
  expect(faultsOf(text).flat()).toEqual([]);
});

it('passes a payload on as it stands, with lists of any length', () => {
  const payload = `{ "n": 1.10, "list": [${'1,'.repeat(5000)}1] }`;
  expect(read(`${line.slice(0, -1)},"payload":${payload}}`).events).toMatchObject([{ payloadJson: payload }]);
});

it('passes over what an export adds, and over nothing else', () => {
  const more = JSON.stringify({ ...event, id: '7', received_at: '2024-05-01T12:00:00.4Z' });
  expect(faultsOf(`${more}\n${JSON.stringify({ ...event, status: 'stored' })}`)).toEqual([
    [],
    ['status: is an unknown field'],
  ]);
  expect(faultsOf('{"id":1,"id":2}')[0]).toContain('id: is a duplicate key');
});

it('finds each bad line by its place, and reads the others', () => {
  expect(faultsOf(`${line}\n{"payload":{"a":[1,}}\n[${line}]`)).toEqual([
    [],
    [expect.stringContaining('payload.a[1]: is not valid JSON')],
    [': must be an object, not an array'],
  ]);
  expect(faultsOf(`\n\n${line} ${line}`)).toEqual([
    [expect.stringContaining(': is not valid JSON: something follows')],
  ]);
});

it('has a bound', () => {
  expect(read(`${line}\n${line}\n${line}\n\n`).events).toHaveLength(3);
  expect(() => read(`${line}\n${line}\n${line}\n${line}`)).toThrow(EventsieveError);
});

it('finds where a line goes wrong, counted from its own first letter', () => {
  expect(faultsOf(' \n\n  {"topic":,}')).toEqual([[expect.stringContaining('at offset 11')]]);
});

it('is done with blank lines at once, however many', () => {
  const text = Buffer.concat([Buffer.alloc(64 * 1024 ** 2, '\n'), Buffer.from(line)]).toString('latin1');
  // Of the processor: a machine that does other things is no slower by this clock.
  const before = process.cpuUsage();
  expect(read(text).events).toHaveLength(1);
  const { user, system } = process.cpuUsage(before);
  // A step for each line takes seconds.
  expect((user + system) / 1000).toBeLessThan(800);
});
