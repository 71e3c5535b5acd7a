import type { NatsConnection, NatsConnectionImpl } from '@nats-io/transport-node';

/** A message for the broker. Nothing of it is checked: whoever makes it knows its subjects, and that it is not too large. */
export interface RawMessage {
  readonly subject: string;
  readonly reply?: string;
  /** Encoded already. */
  readonly header?: Uint8Array | undefined;
  readonly body: Uint8Array;
}

// Two lengths of up to ten digits, the command's name, spaces and the ends of two lines.
const lineRoom = 40;
const mostBytesOfCharacter = 3;
const chunkBytes = 64 * 1024;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/**
 * The same as publish() of each, for a third of the time: that looks for spaces in each subject, turns each command's
 * line into bytes with an encoder of its own, and puts four buffers for each message together only at the end.
 */
export function publishAll(connection: NatsConnection, messages: readonly RawMessage[]): void {
  // There is one implementation of the interface, and what is asked of it is declared, so an upgrade that takes it away
  // does not compile.
  const { protocol } = connection as NatsConnectionImpl;
  for (let first = 0; first < messages.length; ) {
    let room = roomFor(messages[first] as RawMessage);
    let end = first + 1;
    for (; end < messages.length; end++) {
      const more = roomFor(messages[end] as RawMessage);
      if (room + more > chunkBytes) break;
      room += more;
    }
    const bytes = Buffer.allocUnsafe(room);
    let at = 0;
    for (; first < end; first++) at = write(bytes, at, messages[first] as RawMessage);
    protocol.sendCommand(bytes.subarray(0, at));
  }
}

const roomFor = ({ subject, reply = '', header, body }: RawMessage) =>
  lineRoom + (subject.length + reply.length) * mostBytesOfCharacter + (header?.length ?? 0) + body.length;

function write(bytes: Buffer, from: number, { subject, reply, header, body }: RawMessage): number {
  const to = reply === undefined ? subject : `${subject} ${reply}`;
  const line =
    header === undefined
      ? `PUB ${to} ${body.length}\r\n`
      : `HPUB ${to} ${header.length} ${header.length + body.length}\r\n`;
  let at = from + bytes.write(line, from);
  if (header !== undefined) {
    bytes.set(header, at);
    at += header.length;
  }
  bytes.set(body, at);
  at += body.length;
  bytes[at] = carriageReturn;
  bytes[at + 1] = lineFeed;
  return at + 2;
}
