import { createHash } from 'node:crypto';

/** Every name that two parts share on the broker. `prefix` sets several systems on one broker apart (NATS_PREFIX). */
export interface BrokerNames {
  readonly stream: string;
  /** The workers' durable consumer; each epoch has one of its own, so an ack of an earlier one can never meet it. */
  readonly durablePrefix: string;
  /** What the stream takes in. */
  readonly streamSubjects: readonly string[];
  readonly eventSubjectPrefix: string;
  readonly tallySubject: string;
  /** Dead letters that are sent through again. */
  readonly redriveSubject: string;
  /** Verdicts for one gateway process go to this, a dot, and the process's own random name. */
  readonly verdictSubjectPrefix: string;
}

export const defaultPrefix = 'es';

export function namesFor(prefix: string = defaultPrefix): BrokerNames {
  return {
    stream: prefix === defaultPrefix ? 'EVENTSIEVE' : `EVENTSIEVE_${prefix}`,
    durablePrefix: 'dedup-worker-',
    streamSubjects: [`${prefix}.events.>`, `${prefix}.tally`, `${prefix}.redrive`],
    eventSubjectPrefix: `${prefix}.events.`,
    tallySubject: `${prefix}.tally`,
    redriveSubject: `${prefix}.redrive`,
    verdictSubjectPrefix: `${prefix}.verdicts`,
  };
}

/** `again` sets a consumer apart from the one that it replaces within its epoch. */
export function durableOf(names: BrokerNames, epoch: number, again?: string): string {
  return `${names.durablePrefix}${epoch}${again === undefined ? '' : `-${again}`}`;
}

export function isDurableOf(names: BrokerNames, epoch: number, durable: string): boolean {
  const first = durableOf(names, epoch);
  return durable === first || durable.startsWith(`${first}-`);
}

/** Where a durable is asked for messages. */
export const pullSubjectOf = (stream: string, durable: string) => `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;

/** The broker's own header: a message whose id it saw within the duplicate window is dropped. */
export const msgIdHeader = 'Nats-Msg-Id';

// A protocol line of nats-server is at most 4096 bytes, and the subject shares it with a reply inbox.
const maxSubjectTokenBytes = 1024;

/**
 * A topic as the tail of a subject. Dots between non-empty parts stay dots, so that a person can subscribe to
 * `es.events.orders.>`; whatever NATS forbids or gives a meaning to becomes `=XX`, by UTF-8 byte. Nothing reads a topic
 * back from a subject, so a topic too long for one may be named by its hash.
 */
export function encodeTopic(topic: Uint8Array): string {
  let encoded = '';
  const last = topic.length - 1;
  for (let i = 0; i <= last; i++) {
    const byte = topic[i] as number;
    const plain =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x2d ||
      byte === 0x5f;
    const separator = byte === 0x2e && i > 0 && i < last && topic[i - 1] !== 0x2e;
    encoded += plain || separator ? String.fromCharCode(byte) : `=${byte < 16 ? '0' : ''}${byte.toString(16)}`;
  }
  if (encoded.length <= maxSubjectTokenBytes) return encoded;
  return `=h${createHash('sha256').update(topic).digest('base64url')}`;
}
