import type { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import { Verdicts } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';

export interface VerdictsWriter {
  add(ticket: bigint, outcome: Outcome, position: bigint, firstSeenAtUs: bigint, reason: string): void;
  finish(): Uint8Array;
}

// Tags of a Verdict's fields, and of the verdicts in Verdicts.
const ticketTag = 0x08;
const outcomeTag = 0x10;
const positionTag = 0x18;
const firstSeenTag = 0x20;
const verdictTag = 0x0a;

const firstBytes = 2_048;
// Its own tag and length, and four numbers with theirs: so few that the length is one byte.
const mostVerdictBytes = 2 + 4 * (1 + 8);
const safest = BigInt(Number.MAX_SAFE_INTEGER);
const isPlain = (value: bigint) => value >= 0n && value <= safest;

/**
 * The same as Verdicts.encode, written while a batch is gone through: the generated code wants an object for each verdict,
 * and writes each through a writer of its own.
 */
export function writeVerdicts(): VerdictsWriter {
  let bytes = Buffer.allocUnsafe(firstBytes);
  let at = 0;

  function number(tag: number, value: number): void {
    if (value === 0) return;
    bytes[at++] = tag;
    varint(value);
  }

  /** Of a number that is not negative. */
  function varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    bytes[at++] = rest;
  }

  function makeRoom(more: number): void {
    if (at + more <= bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * bytes.length + more);
    larger.set(bytes.subarray(0, at));
    bytes = larger;
  }

  function append(more: Uint8Array): void {
    makeRoom(more.length);
    bytes.set(more, at);
    at += more.length;
  }

  return {
    add(ticket, outcome, position, firstSeenAtUs, reason) {
      if (reason !== '' || !isPlain(ticket) || !isPlain(position) || !isPlain(firstSeenAtUs)) {
        // A dead letter's, of any length, or a time before 1970: seldom.
        const verdict = { ticket, outcome, position, firstSeenAtUs, reason };
        append(Verdicts.encode({ verdicts: [verdict] }).finish());
        return;
      }
      makeRoom(mostVerdictBytes);
      bytes[at++] = verdictTag;
      const lengthAt = at++;
      number(ticketTag, Number(ticket));
      number(outcomeTag, outcome);
      number(positionTag, Number(position));
      number(firstSeenTag, Number(firstSeenAtUs));
      bytes[lengthAt] = at - lengthAt - 1;
    },
    finish: () => bytes.subarray(0, at),
  };
}
