/** What the broker says of a message. */
export interface Place {
  readonly sequence: number;
  readonly receivedAtUs: bigint;
  readonly deliveries: number;
}

// $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<timestamp>.<pending>, and in newer servers
// with <domain>.<account> after $JS.ACK and a token more at the end.
const shortDots = 8;
const longDots = 10;
const domainTokens = 2;
const nanosDigits = 3;
const dot = 0x2e;
const zero = 0x30;

// Where the dots stand; read and used within one call.
const mostDots = 16;
const dots: number[] = new Array(mostDots).fill(0);

/** From the reply subject, read at once and without taking it apart: the client splits it anew for each part of it. */
export function readPlace(reply: string): Place {
  let count = 0;
  for (let at = 0; at < reply.length && count < mostDots; at++) if (reply.charCodeAt(at) === dot) dots[count++] = at;
  if (count !== shortDots && (count < longDots || count === mostDots)) throw notOfAStream(reply);
  // The dot before the token of the deliveries.
  const before = count === shortDots ? 3 : 3 + domainTokens;
  const deliveries = digitsIn(reply, before, 0);
  const sequence = digitsIn(reply, before + 1, 0);
  const micros = digitsIn(reply, before + 3, nanosDigits);
  // NaN is not above 0 either.
  if (!(deliveries > 0 && sequence > 0 && micros > 0)) throw notOfAStream(reply);
  return { sequence, receivedAtUs: BigInt(micros), deliveries };
}

/** The token after this dot as a number, without its last digits; NaN when it is none. */
function digitsIn(reply: string, index: number, dropped: number): number {
  const from = (dots[index] as number) + 1;
  const to = (dots[index + 1] as number) - dropped;
  if (from >= to) return Number.NaN;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = reply.charCodeAt(at) - zero;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

const notOfAStream = (reply: string) => new Error(`no message of a stream: ${reply}`);
