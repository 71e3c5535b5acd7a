import { createHash, randomBytes } from 'node:crypto';
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { connect, type MsgHdrs, type NatsConnection, nanos } from '@nats-io/transport-node';
import type { Bench } from '../bench-context.js';
import { useOf } from '../world/process-use.js';

export interface MessageCase {
  readonly name: string;
  readonly about: string;
  readonly eventsInOne: number;
  readonly retention: RetentionPolicy;
  readonly acks: boolean;
}

const queue = RetentionPolicy.Workqueue;
const kept = RetentionPolicy.Limits;

/** What an event costs for being a message: broker and client alone, one process that publishes and takes. */
export const messageCases: readonly MessageCase[] = [
  {
    name: 'message-each',
    about: 'broker and client alone: a message for each event, as it is done',
    eventsInOne: 1,
    retention: queue,
    acks: true,
  },
  {
    name: 'message-each-kept',
    about: 'the same, and what is acked stays in the stream',
    eventsInOne: 1,
    retention: kept,
    acks: true,
  },
  {
    name: 'message-each-no-acks',
    about: 'the same, and nothing is acked',
    eventsInOne: 1,
    retention: kept,
    acks: false,
  },
  {
    name: 'message-of-100',
    about: 'broker and client alone: a hundred events in a message',
    eventsInOne: 100,
    retention: queue,
    acks: true,
  },
];

const bytesOfEvent = 230;
const eventsInFlight = 800;
const leastInFlight = 8;
const mostAckPending = 20_000;
const taken = 2_000;
const windowMs = 120_000;
const longestMs = 60_000;
const idCharacters = 22;

export async function runMessageCase(bench: Bench, of: MessageCase): Promise<void> {
  const { nats } = bench.servers;
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  const stream = `cost-${randomBytes(4).toString('hex')}`;
  try {
    await prepare(manager, stream, of);
    const brokerBefore = useOf(nats.pid ?? 0)?.cpuSeconds ?? 0;
    const clientBefore = process.cpuUsage();
    const begunAtMs = performance.now();
    const { sent, got } = await passThrough(connection, stream, of, begunAtMs + bench.seconds * 1000);
    const seconds = (performance.now() - begunAtMs) / 1000;
    const { user, system } = process.cpuUsage(clientBefore);
    const events = sent * of.eventsInOne;
    const cpuOf = {
      nats: (useOf(nats.pid ?? 0)?.cpuSeconds ?? 0) - brokerBefore,
      client: (user + system) / 1e6,
    };
    const each = (cpuSeconds: number) => Math.round((cpuSeconds / events) * 1e7) / 10;
    bench.add({
      name: of.name,
      eventsPerSecond: events / seconds,
      cpuOf,
      cpuSeconds: cpuOf.nats + cpuOf.client,
      exact: got === sent,
      problems: got === sent ? [] : [`${sent} messages were sent, ${got} came`],
      more: { brokerMicroseconds: each(cpuOf.nats), clientMicroseconds: each(cpuOf.client) },
    });
  } finally {
    await manager.streams.delete(stream).catch(() => undefined);
    await connection.close();
  }
}

async function prepare(manager: JetStreamManager, stream: string, { retention, acks }: MessageCase): Promise<void> {
  await manager.streams.add({
    name: stream,
    subjects: [`${stream}.>`],
    storage: StorageType.File,
    retention,
    discard: DiscardPolicy.New,
    duplicate_window: nanos(windowMs),
  });
  await manager.consumers.add(stream, {
    durable_name: 'taker',
    ack_policy: acks ? AckPolicy.Explicit : AckPolicy.None,
    ...(acks ? { max_ack_pending: mostAckPending } : {}),
  });
}

/** Publishes as the gateway does, ids and one inbox for the answers, and takes all of it again. */
async function passThrough(connection: NatsConnection, stream: string, of: MessageCase, untilMs: number) {
  const consumer = await jetstream(connection).consumers.get(stream, 'taker');
  const messages = await consumer.consume({ max_messages: taken });
  let sent = 0;
  let answered = 0;
  let got = 0;
  let over = false;
  let goOn: () => void = () => undefined;
  const inbox = `_INBOX.${randomBytes(12).toString('hex')}`;
  connection.subscribe(`${inbox}.*`, {
    callback: () => {
      answered++;
      goOn();
    },
  });
  const taking = (async () => {
    for await (const message of messages) {
      if (of.acks) message.ack();
      got++;
      if (over && got === sent) break;
    }
  })();

  const body = Buffer.alloc(bytesOfEvent * of.eventsInOne, 'x');
  const inFlight = Math.max(leastInFlight, eventsInFlight / of.eventsInOne);
  while (performance.now() < untilMs) {
    const data = Buffer.from(body);
    data.writeUInt32LE(sent);
    const header = headerWith(createHash('sha256').update(data).digest('base64url').slice(0, idCharacters));
    // Headers that are bytes already: publish() only ever calls encode() on them.
    const headers = { encode: () => header } as unknown as MsgHdrs;
    connection.publish(`${stream}.events`, data, { reply: `${inbox}.${sent}`, headers });
    sent++;
    while (sent - answered > inFlight) {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
    }
  }
  over = true;
  const late = setTimeout(() => messages.stop(), longestMs);
  if (got === sent) messages.stop();
  await taking;
  clearTimeout(late);
  await connection.flush();
  return { sent, got };
}

const headerWith = (id: string) => Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${id}\r\n\r\n`, 'latin1');
