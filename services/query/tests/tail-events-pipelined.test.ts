import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitUntil } from '../../../tests/support/wait-until.js';
import { openFixture, type QueryFixture } from './query-fixture.js';
import { type Doors, openDoors } from './tail-fixture.js';

let fixture: QueryFixture;
let doors: Doors;
beforeAll(async () => {
  fixture = await openFixture();
  await fixture.openEpoch();
  doors = await openDoors(fixture.queries);
});
afterAll(async () => {
  await doors.stop();
  await fixture.close();
});

const ask = (query = '') => `GET /events/stream${query} HTTP/1.1\r\nhost: x\r\n\r\n`;

/** Sends all of it by one connection, and keeps what is answered. */
function pipeline(...requests: readonly string[]): { readonly socket: Socket; answered(): string } {
  const { port } = new URL(doors.http);
  const socket = connect(Number(port), '127.0.0.1', () => void socket.write(requests.join('')));
  let answered = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answered += text;
  });
  socket.on('error', () => undefined);
  return { socket, answered: () => answered };
}

const statuses = (answered: string) => answered.match(/(?<=HTTP\/1\.1 )\d+/g)?.map(Number) ?? [];
const nobodyFollows = () => waitUntil('nobody follows', () => doors.following.followers() === 0);

test('what is asked for behind a stream takes no place while that lives', async () => {
  const { socket, answered } = pipeline(ask(), ...Array.from({ length: 20 }, () => ask()));
  await waitUntil('the first follows', () => answered().includes('\nid: '));
  expect(doors.following.followers()).toBe(1);
  const other = pipeline(ask());
  await waitUntil('another follows', () => other.answered().includes('\nid: '));
  expect(doors.following.followers()).toBe(2);
  other.socket.destroy();
  socket.destroy();
  await nobodyFollows();
});

test('behind one that is refused the next begins, and it is the last of its connection', async () => {
  const { socket, answered } = pipeline(
    ask('?from=x'),
    ask('?from=y'),
    'GET /none HTTP/1.1\r\nhost: x\r\n\r\n',
    ask(),
    ask(),
  );
  await waitUntil('one follows', () => answered().includes('\nid: '));
  expect(statuses(answered())).toEqual([400, 400, 404, 200]);
  expect(doors.following.followers()).toBe(1);
  socket.destroy();
  await nobodyFollows();
});

test('who asks for far too much behind a stream loses the connection', async () => {
  const { socket } = pipeline(ask(), ask().repeat(200));
  await new Promise((resolve) => socket.once('close', resolve));
  await nobodyFollows();
});
