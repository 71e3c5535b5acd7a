import type { Msg } from '@nats-io/transport-node';

/** What the broker said of one message. */
export type PubAck =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'duplicate'; readonly sequence: number }
  /** Definitely not stored. */
  | { readonly kind: 'refused'; readonly code: number; readonly description: string }
  /** It may be stored or not. */
  | { readonly kind: 'unknown'; readonly description: string };

export const noResponders = 503;

interface AckBody {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string };
}

export function readAck(message: Msg): PubAck {
  try {
    if (message.data.length === 0 && message.headers?.code === noResponders) {
      return { kind: 'refused', code: noResponders, description: 'nobody takes messages on this subject' };
    }
    const sequence = sequenceOf(message.data);
    if (sequence > 0) return { kind: 'stored', sequence };
    const { error, seq, duplicate } = message.json<AckBody>();
    if (error) {
      const { err_code: code = error.code ?? 0, description = 'refused' } = error;
      return { kind: 'refused', code, description };
    }
    if (typeof seq === 'number') return { kind: duplicate === true ? 'duplicate' : 'stored', sequence: seq };
  } catch {
    // Falls through: an answer that cannot be read says nothing.
  }
  return { kind: 'unknown', description: 'it gave an answer that cannot be read' };
}

const quote = 0x22;
const zero = 0x30;
const closingBrace = 0x7d;
const ackBegins = Buffer.from('{"stream":"');
const beforeSequence = Buffer.from('","seq":');

/**
 * Nearly all acks say nothing but where the message is: {"stream":"…","seq":…}. Of those the sequence, read from their
 * end; 0 of all others, such as an error, which would stand first, and a duplicate or a domain, which would follow.
 */
function sequenceOf(data: Uint8Array): number {
  let at = data.length - 1;
  if (data[at] !== closingBrace) return 0;
  for (let index = 0; index < ackBegins.length; index++) if (data[index] !== ackBegins[index]) return 0;
  let sequence = 0;
  for (let unit = 1; ; unit *= 10) {
    const digit = (data[--at] as number) - zero;
    if (!(digit >= 0 && digit <= 9)) break;
    sequence += digit * unit;
  }
  for (let back = beforeSequence.length - 1; back >= 0; back--) if (data[at--] !== beforeSequence[back]) return 0;
  // Only the name stands between.
  for (let index = ackBegins.length; index <= at; index++) if (data[index] === quote) return 0;
  return sequence;
}
