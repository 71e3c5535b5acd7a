import { publishAll, type RawMessage } from '@eventsieve/runtime/publish-all';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, expect, inject, test } from 'vitest';

const open: NatsConnection[] = [];
afterEach(async () => {
  for (const connection of open.splice(0)) await connection.close();
});

/** What a subscriber gets of them, on a real broker. */
async function received(subject: string, messages: readonly RawMessage[]): Promise<Msg[]> {
  const [publisher, subscriber] = await Promise.all([1, 2].map(() => connect({ servers: inject('natsUrl') })));
  if (publisher === undefined || subscriber === undefined) throw new Error('no connection');
  open.push(publisher, subscriber);
  const got: Msg[] = [];
  const subscription = subscriber.subscribe(subject, { callback: (_, message) => void got.push(message) });
  await subscriber.flush();
  publishAll(publisher, messages);
  // The last one by the client itself: the order is kept, and the connection still stands.
  publisher.publish(subject, 'end');
  await publisher.flush();
  await subscriber.flush();
  subscription.unsubscribe();
  expect(got.pop()?.string()).toBe('end');
  return got;
}

const shown = (each: RawMessage | Msg, header: Uint8Array | undefined) => ({
  subject: each.subject,
  reply: each.reply ?? '',
  header: header === undefined ? undefined : Buffer.from(header).toString('latin1'),
  body: Buffer.from('body' in each ? each.body : each.data).toString('base64'),
});

test('every kind of message comes as it was given, in order, however many chunks they fill', async () => {
  const named = headers();
  named.set('Nats-Msg-Id', 'é and more');
  const header = (named as unknown as { encode(): Uint8Array }).encode();
  const body = (bytes: number) => Buffer.alloc(bytes, '\r\nPUB x 0\r\n\0\xff', 'latin1');
  const sizes = [0, 1, 9, 10, 250, 65_400, 65_536, 65_537, 300_000, 3];
  const messages = sizes.flatMap((bytes) => [
    { subject: 'all.plain', body: body(bytes) },
    { subject: 'all.asked', reply: 'answers.x', body: body(bytes) },
    { subject: 'all.headed', header, body: body(bytes) },
    { subject: 'all.größe-日本-😀', reply: `answers.${'語'.repeat(200)}`, body: body(bytes) },
    { subject: `all.${'long'.repeat(250)}`, reply: `answers.${'y'.repeat(500)}`, header, body: body(bytes) },
  ]);
  const got = await received('all.*', messages);
  const headerOf = (message: Msg) =>
    (message.headers as unknown as { encode(): Uint8Array } | undefined)?.encode() ?? undefined;
  expect(got.map((each) => shown(each, headerOf(each)))).toEqual(
    messages.map((each) => shown(each, 'header' in each ? each.header : undefined)),
  );
});

test('thousands at once arrive, each once', async () => {
  const messages = Array.from({ length: 5_000 }, (_, n) => ({ subject: 'many.x', body: Buffer.from(String(n)) }));
  const got = await received('many.*', messages);
  expect(got.map((each) => Number(each.string()))).toEqual(messages.map((_, n) => n));
});

test('nothing to publish is nothing sent', async () => {
  expect(await received('none.*', [])).toEqual([]);
});
