import type { Tally } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Delivery } from '../src/delivery.js';
import { copyAt, tallyAt } from './deliveries.js';

/** Payloads by what jsonb makes of their spelling; equal meanings are equal as jsonb. */
export const payloads = [
  { spelling: '{"n":1}', stored: '{"n": 1}', meaning: 'one' },
  { spelling: '{ "n" : 1.00 }', stored: '{"n": 1.00}', meaning: 'one' },
  { spelling: '{"n":10e-1}', stored: '{"n": 1.0}', meaning: 'one' },
  { spelling: '{"n":2}', stored: '{"n": 2}', meaning: 'two' },
  { spelling: '{}', stored: '{}', meaning: 'nothing' },
  { spelling: '{"b":[1, 2],"a":1,"a":null}', stored: '{"a": null, "b": [1, 2]}', meaning: 'both' },
  { spelling: '{"a":null,"b":[1,2.0]}', stored: '{"a": null, "b": [1, 2.0]}', meaning: 'both' },
] as const;

export interface CopyContent {
  readonly kind: 'copy';
  readonly topic: string;
  readonly eventId: string;
  readonly source: string;
  readonly payload: (typeof payloads)[number];
  readonly timestampUs: bigint;
}
export type Content =
  | CopyContent
  | { readonly kind: 'tally'; readonly groups: Tally['groups'] }
  | { readonly kind: 'undecodable' };

export interface Message {
  readonly uid: number;
  readonly sequence: number;
  readonly receivedAtUs: bigint;
  readonly content: Content;
  /** No worker can store it, however often it comes. */
  readonly poison: boolean;
  readonly redrive?: { readonly letter: number; readonly sending: number };
}

/** The store of a broker at one moment. */
export interface Kept {
  readonly created: string;
  readonly messages: ReadonlyMap<number, Message>;
  readonly acked: ReadonlySet<number>;
  readonly lastSequence: number;
}

/** Gives out sequences and timestamps, remembers what was acked, and can be put back to any moment that it has seen. */
export class ModelBroker {
  kept: Kept;
  private readonly past: Kept[] = [];
  private nowUs: bigint;
  private uid = 0;
  private streams = 1;

  constructor(firstSequence: number, nowUs: bigint) {
    this.nowUs = nowUs;
    this.kept = { created: 'stream-1', messages: new Map(), acked: new Set(), lastSequence: firstSequence - 1 };
  }

  publish(gapUs: number, message: Pick<Message, 'content' | 'poison' | 'redrive'>): Message {
    this.nowUs += BigInt(gapUs);
    const sequence = this.kept.lastSequence + 1;
    const published = { ...message, uid: ++this.uid, sequence, receivedAtUs: this.nowUs };
    const messages = new Map(this.kept.messages).set(sequence, published);
    this.kept = { ...this.kept, messages, lastSequence: sequence };
    return published;
  }

  ack({ uid }: Message): void {
    this.kept = { ...this.kept, acked: new Set(this.kept.acked).add(uid) };
  }

  /** Every sequence up to here is acked, or was in an older store when that was put back. */
  ackedUpTo(): number {
    const held = [...this.kept.messages.values()].filter(({ uid }) => !this.kept.acked.has(uid));
    return Math.min(this.kept.lastSequence, ...held.map(({ sequence }) => sequence - 1));
  }

  remember(): void {
    this.past.push(this.kept);
  }

  /** What the store would hold if it were put back to a moment seen before. */
  older(choice: number): Kept {
    return this.past[choice % this.past.length] ?? this.kept;
  }

  /** What it would hold if it were made anew. */
  anew(): Kept {
    this.streams++;
    return { created: `stream-${this.streams}`, messages: new Map(), acked: new Set(), lastSequence: 0 };
  }

  /** A timestamp that no message has. */
  strangeTimeUs(): bigint {
    this.nowUs += 1n;
    return this.nowUs;
  }
}

/** A message as one worker has it, under one epoch. */
export interface Given {
  readonly message: Message;
  readonly position: number;
  readonly atUs: bigint;
}

export function deliveryOf({ message, position, atUs: receivedAtUs }: Given): Delivery {
  const { content, redrive } = message;
  const again = redrive && { redrive: { deadLetter: BigInt(redrive.letter), sending: BigInt(redrive.sending) } };
  if (content.kind === 'tally') return { ...tallyAt(position, content.groups, receivedAtUs), ...again };
  if (content.kind === 'undecodable') {
    return {
      ...copyAt({ position, receivedAtUs }),
      content: { kind: 'undecodable', reason: 'not readable' },
      ...again,
    };
  }
  const { topic, eventId, source, payload, timestampUs } = content;
  const copy = copyAt({ position, topic, eventId, source, payload: payload.spelling, timestampUs, receivedAtUs });
  return { ...copy, ...again };
}
