import {
  type Dispatcher,
  Kind,
  type MsgArg,
  type NatsConnection,
  type NatsConnectionImpl,
  Parser,
  type ParserEvent,
  State,
} from '@nats-io/transport-node';

const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const zero = 0x30;
const letterG = 0x47;
const letterH = 0x48;
const letterM = 0x4d;
const letterS = 0x53;
const mostDigits = 9;
const mostPayload = 64 * 1024 * 1024;
// A line of a message is 4 KB at most, what a server says of itself and its cluster some more.
const longestLine = 64 * 1024;
// One more than the line of a message has, so that a longer one is seen to be.
const mostWords = 6;

// Where the words of a line begin; written and read while one message is looked at.
const begins: number[] = new Array(mostWords + 1).fill(0);

/**
 * The client's parser for what nearly everything is: messages that came whole. That one goes through each line byte by
 * byte in thirty states, then once more for its words, and makes an array of arrays of them. Whatever is no
 * message, and whatever is written in another way, is its to read.
 */
export class MessageParser extends Parser {
  /** The beginning of what did not come whole. */
  #held: Uint8Array | undefined;
  #filled = 0;
  /** As long as it will be, once its line is known; 0 before. */
  #wanted = 0;

  override parse(chunk: Uint8Array): void {
    if (this.state !== State.OP_START) {
      super.parse(chunk);
      return;
    }
    if (this.#held !== undefined && this.#wanted > 0) {
      const taken = Math.min(this.#wanted - this.#filled, chunk.length);
      this.#held.set(chunk.subarray(0, taken), this.#filled);
      this.#filled += taken;
      if (this.#filled < this.#wanted) return;
      const whole = this.#held;
      this.#held = undefined;
      this.#readAll(whole);
      // From the beginning: when it did not end where it should, the client's parser is in the middle of it now.
      this.parse(chunk.subarray(taken));
      return;
    }
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = undefined;
    const end = this.#readAll(bytes);
    if (end < bytes.length) this.#hold(bytes, end);
  }

  #hold(bytes: Uint8Array, from: number): void {
    const begun = bytes.subarray(from);
    if (this.#wanted > 0) {
      this.#held = Buffer.allocUnsafe(this.#wanted);
      this.#held.set(begun);
      this.#filled = begun.length;
    } else if (begun.length <= longestLine) {
      this.#held = begun;
    } else {
      super.parse(begun);
    }
  }

  /** Up to the end, or to the beginning of what is not whole. */
  #readAll(bytes: Uint8Array): number {
    const { length } = bytes;
    let at = 0;
    while (at < length) {
      let words = 0;
      let lineEnd = at;
      for (; lineEnd < length; lineEnd++) {
        const byte = bytes[lineEnd];
        if (byte === newline) break;
        if (byte === space && words < mostWords) begins[words++] = lineEnd + 1;
      }
      if (lineEnd === length) {
        this.#wanted = 0;
        return at;
      }
      // The end of the last word is found as that of the others is.
      begins[words] = lineEnd;
      const bodyAt = lineEnd + 1;
      const hasHeaders = bytes[at] === letterH;
      // MSG <subject> <sid> [<reply>] <size>, and HMSG <subject> <sid> [<reply>] <size of the headers> <size of all>.
      const names = words - (hasHeaders ? 2 : 1);
      const subjectAt = begins[0] as number;
      const sid = numberIn(bytes, 1);
      const size = numberIn(bytes, words - 1);
      const headers = hasHeaders ? numberIn(bytes, words - 2) : -1;
      const plain =
        (names === 2 || (names === 3 && !isEmpty(2))) &&
        !isEmpty(0) &&
        subjectAt === at + (hasHeaders ? 5 : 4) &&
        bytes[subjectAt - 4] === letterM &&
        bytes[subjectAt - 3] === letterS &&
        bytes[subjectAt - 2] === letterG &&
        bytes[lineEnd - 1] === carriageReturn &&
        sid >= 0 &&
        size >= 0 &&
        size <= mostPayload &&
        headers <= size;
      const bodyEnd = bodyAt + size;
      const end = bodyEnd + 2;
      if (plain && end > length) {
        this.#wanted = end - at;
        return at;
      }
      if (plain && bytes[bodyEnd + 1] === newline) {
        const replyAt = begins[2] as number;
        const replyEnd = names === 3 ? endOf(2) : 0;
        const line = new Line(bytes, subjectAt, endOf(0), replyAt, replyEnd, sid, headers, size);
        // Declared as `reply?`, given as undefined by the client's own as well.
        this.dispatcher.push({ kind: Kind.MSG, msg: line as MsgArg, data: bytes.subarray(bodyAt, bodyEnd) });
        at = end;
        continue;
      }
      super.parse(bytes.subarray(at, bodyAt));
      at = bodyAt;
      if (this.state !== State.OP_START) {
        super.parse(bytes.subarray(at));
        return length;
      }
    }
    return at;
  }
}

/** What the line of a message says; its words are looked at where somebody asks for them. */
class Line {
  constructor(
    readonly bytes: Uint8Array,
    readonly subjectAt: number,
    readonly subjectEnd: number,
    readonly replyAt: number,
    readonly replyEnd: number,
    readonly sid: number,
    readonly hdr: number,
    readonly size: number,
  ) {}

  get subject(): Uint8Array {
    return this.bytes.subarray(this.subjectAt, this.subjectEnd);
  }

  get reply(): Uint8Array | undefined {
    return this.replyEnd === 0 ? undefined : this.bytes.subarray(this.replyAt, this.replyEnd);
  }
}

const endOf = (word: number) => (begins[word + 1] as number) - 1;

const isEmpty = (word: number) => endOf(word) === begins[word];

/** NaN when it is none. */
function numberIn(bytes: Uint8Array, word: number): number {
  const from = begins[word] as number;
  const to = endOf(word);
  if (from >= to || to - from > mostDigits) return Number.NaN;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = (bytes[at] as number) - zero;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * From now on, and after each reconnect, for which the client makes a new one. What throws where a message is taken is a
 * bug, and ends the process as every other does: the client would print it, and read nothing more from the broker until
 * its pings had gone unanswered.
 */
export function parseMessagesAtOnce(connection: NatsConnection): void {
  const { protocol } = connection as NatsConnectionImpl;
  const dispatcher = throwsElsewhere(protocol);
  // It may have read half of something by now.
  let parser = Object.assign(new MessageParser(dispatcher), protocol.parser, { dispatcher });
  Object.defineProperty(protocol, 'parser', {
    get: () => parser,
    set: () => {
      parser = new MessageParser(dispatcher);
    },
  });
}

function throwsElsewhere(protocol: Dispatcher<ParserEvent>): Dispatcher<ParserEvent> {
  return {
    push(event) {
      try {
        protocol.push(event);
      } catch (error) {
        // The rest is the client's own, which knows what becomes of it.
        if ((event as ParserEvent).kind !== Kind.MSG) throw error;
        queueMicrotask(() => {
          throw error;
        });
      }
    },
  };
}
