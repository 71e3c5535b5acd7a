import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { CopyContent, Given, Message } from './model-broker.js';

export interface Letter {
  readonly code: string;
  readonly redriveOf?: number | undefined;
  readonly state: 'open' | 'redriven' | 'discarded';
  readonly redriven?: { readonly position: number; readonly outcome: number; readonly atUs: bigint };
}

export type Row = { readonly message: Message; readonly atUs: bigint } & (
  | { readonly kind: 'stored' | 'tally' | 'replay' }
  | { readonly kind: 'refused'; readonly first: number; readonly conflict: boolean }
  | { readonly kind: 'dead'; readonly letter: Letter }
);

interface Epoch {
  readonly epoch: number;
  readonly base: number;
  readonly created: string;
  readonly replayUntil: number;
}

/** Raised where a function must raise. */
export class Refusal extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly firstSeenAtUs: bigint;
}

/** What Postgres must hold, one call after the other: one row by position, and everything else follows from the rows. */
export class ModelStore {
  rows = new Map<number, Row>();
  winners = new Map<string, number>();
  redrives = new Map<number, number>();
  epochs: readonly Epoch[] = [];
  watermark = 0;
  known = 0;

  clone(): ModelStore {
    const { rows, winners, redrives, ...rest } = this;
    const copied = { rows: new Map(rows), winners: new Map(winners), redrives: new Map(redrives) };
    return Object.assign(new ModelStore(), rest, copied);
  }

  get epoch(): Epoch {
    const epoch = this.epochs.at(-1);
    if (epoch === undefined) throw new Error('the model has no epoch');
    return epoch;
  }

  /** The highest position that anything knows of. */
  get highest(): number {
    return Math.max(this.watermark, this.known, ...this.rows.keys());
  }

  private requireEpoch(epoch: number): void {
    if (epoch !== this.epoch.epoch) throw new Refusal('ES001');
  }

  /** Has its row, or is found to be a message that has one under an earlier epoch; undefined when it is news. */
  private settled({ message, position, atUs }: Given): Row | undefined {
    const present = this.rows.get(position);
    if (present) {
      if (present.atUs !== atUs) throw new Refusal('ES002');
      return present;
    }
    if (this.settledBefore(message, atUs)) {
      const replay = { kind: 'replay', message, atUs } as const;
      this.rows.set(position, replay);
      return replay;
    }
    if (position <= this.watermark) throw new Refusal('ES002');
    return undefined;
  }

  settledBefore(message: Message, atUs = message.receivedAtUs): boolean {
    return [...this.rows.values()].some((row) => row.message.uid === message.uid && row.atUs === atUs);
  }

  storeBatch(epoch: number, batch: readonly Given[]): Map<number, Verdict> {
    this.requireEpoch(epoch);
    const verdicts = new Map<number, Verdict>();
    for (const given of [...batch].sort((a, b) => a.position - b.position)) {
      const { message, position, atUs } = given;
      const { content } = message;
      let row = this.settled(given);
      if (row === undefined) {
        if (content.kind === 'copy') row = this.judge(content, given);
        else row = { kind: 'tally', message, atUs };
        this.rows.set(position, row);
      }
      const verdict = this.verdictOf(row);
      if (verdict) verdicts.set(position, verdict);
    }
    return verdicts;
  }

  private judge(content: CopyContent, { message, position, atUs }: Given): Row {
    const key = JSON.stringify([content.topic, content.eventId]);
    const first = this.winners.get(key);
    const winner = first === undefined ? undefined : this.rows.get(first)?.message.content;
    if (first === undefined || winner?.kind !== 'copy') {
      this.winners.set(key, position);
      return { kind: 'stored', message, atUs };
    }
    const conflict = winner.source !== content.source || winner.payload.meaning !== content.payload.meaning;
    return { kind: 'refused', message, atUs, first, conflict };
  }

  /** Undefined for what the caller takes as stored, or as the tally that it is. */
  private verdictOf(row: Row): Verdict | undefined {
    const isCopy = row.message.content.kind === 'copy';
    if (row.kind === 'refused') {
      const outcome = row.conflict ? Outcome.OUTCOME_CONFLICT : Outcome.OUTCOME_DUPLICATE;
      return { outcome, firstSeenAtUs: this.rows.get(row.first)?.atUs ?? 0n };
    }
    if (row.kind === 'replay' && isCopy) return { outcome: Outcome.OUTCOME_UNSPECIFIED, firstSeenAtUs: 0n };
    if (row.kind === 'dead' && isCopy) return { outcome: Outcome.OUTCOME_DEAD_LETTERED, firstSeenAtUs: 0n };
    return undefined;
  }

  bury(epoch: number, given: Given, code: string, redriveOf?: number): boolean {
    this.requireEpoch(epoch);
    if (this.settled(given)) return false;
    const { message, position, atUs } = given;
    this.rows.set(position, { kind: 'dead', message, atUs, letter: { code, redriveOf, state: 'open' } });
    return true;
  }

  /** The dead letter that this message turns, or 'surplus' when another message has done that. */
  private beginRedrive({ message, position, atUs }: Given): number | 'surplus' {
    const letterAt = message.redrive?.letter ?? 0;
    const row = this.rows.get(letterAt);
    const redriven = row?.kind === 'dead' ? row.letter.redriven : undefined;
    const surplus = redriven !== undefined && redriven.position !== position;
    if (surplus) {
      const present = this.rows.get(position);
      if (position <= this.watermark && present?.atUs !== atUs) throw new Refusal('ES002');
      if (!present) this.rows.set(position, { kind: 'replay', message, atUs });
    }
    this.redrives.delete(message.redrive?.sending ?? 0);
    return surplus ? 'surplus' : letterAt;
  }

  private endRedrive(letterAt: number, { position, atUs }: Given, outcome: number): void {
    const row = this.rows.get(letterAt);
    if (row?.kind !== 'dead' || row.letter.state === 'redriven') return;
    const letter = { ...row.letter, state: 'redriven', redriven: { position, outcome, atUs } } as const;
    this.rows.set(letterAt, { ...row, letter });
  }

  storeRedrive(epoch: number, given: Given): Verdict {
    this.requireEpoch(epoch);
    const letterAt = this.beginRedrive(given);
    if (letterAt === 'surplus') return { outcome: Outcome.OUTCOME_UNSPECIFIED, firstSeenAtUs: 0n };
    const isTally = given.message.content.kind === 'tally';
    const outcome = isTally ? Outcome.OUTCOME_DUPLICATE : Outcome.OUTCOME_STORED;
    const verdict = this.storeBatch(epoch, [given]).get(given.position) ?? { outcome, firstSeenAtUs: 0n };
    this.endRedrive(letterAt, given, verdict.outcome);
    return verdict;
  }

  buryAgain(epoch: number, given: Given, code: string): void {
    this.requireEpoch(epoch);
    const letterAt = this.beginRedrive(given);
    if (letterAt === 'surplus' || !this.bury(epoch, given, code, letterAt)) return;
    this.endRedrive(letterAt, given, Outcome.OUTCOME_DEAD_LETTERED);
  }

  discard(letterAt: number): void {
    const row = this.rows.get(letterAt);
    if (row?.kind !== 'dead' || row.letter.state !== 'open') return;
    this.rows.set(letterAt, { ...row, letter: { ...row.letter, state: 'discarded' } });
  }

  open(expected: number, created: string, firstSequence: number, lastSequence: number): Epoch {
    const before = this.epochs.at(-1);
    if (before === undefined) {
      this.epochs = [{ epoch: 1, base: 1 - firstSequence, created, replayUntil: 0 }];
    } else if (before.epoch === expected) {
      const base = this.highest;
      const replayUntil = base + Math.max(lastSequence, base - before.base);
      this.epochs = [...this.epochs, { epoch: expected + 1, base, created, replayUntil }];
    }
    return this.epoch;
  }

  advance(epoch: number, committed: number, known: number): number {
    if (epoch === this.epoch.epoch) {
      this.watermark = Math.max(this.watermark, committed);
      this.known = Math.max(this.known, known, committed);
    }
    return this.watermark;
  }
}
