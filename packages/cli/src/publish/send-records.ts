import { EventsieveError, type NewEvent, type PublishResult } from '@eventsieve/client';
import { UsageError } from '../command.js';
import type { Door } from './door.js';
import type { Ledger } from './ledger.js';
import type { Piece } from './piece.js';
import type { OpenRecords } from './read-pieces.js';
import { isFaulty, type RecordFault } from './read-record.js';
import { countOutcome, type Tally } from './tally.js';

export interface Sending {
  readonly records: OpenRecords;
  readonly door: Door;
  readonly ledger: Ledger;
  readonly tally: Tally;
  /** End with the first record that is at fault. */
  readonly stopAtFaults: boolean;
  readonly interrupted: AbortSignal;
  /** Wakes who waits for more to read. */
  readonly stopReading: () => void;
  readonly fault: (line: number, faults: readonly RecordFault[]) => void;
}

/** Why it ended before the end of the file. */
export type Ending = 'done' | 'interrupted' | 'fault' | { readonly failure: Error };

// Longer than an answer takes, and short enough for somebody who waits.
const lastAnswersMs = 20_000;

/** Publishes record after record. Resolves once each that was sent has its verdict, or none will come. */
export async function sendRecords(sending: Sending): Promise<Ending> {
  const { records, door, ledger, tally, stopAtFaults, interrupted, stopReading, fault } = sending;
  const lastAnswers = new AbortController();
  let lastTimer: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;
  let ending: Ending = 'done';
  let allRead = false;

  function end(why: Ending): void {
    if (ending !== 'done') return;
    ending = why;
    stopReading();
    lastTimer = setTimeout(() => lastAnswers.abort(), lastAnswersMs);
    // Also wakes who waits for room.
    ledger.release();
    close();
  }
  function close(): Promise<void> {
    closing ??= door.close({ signal: lastAnswers.signal });
    return closing;
  }
  const interrupt = () => end('interrupted');
  interrupted.addEventListener('abort', interrupt, { once: true });
  if (interrupted.aborted) interrupt();

  function atFault({ line }: Piece, faults: readonly RecordFault[], settle: () => void): void {
    fault(line, faults);
    // What a run stops at is not behind it.
    if (stopAtFaults) end('fault');
    else settle();
  }

  function answered(piece: Piece, { outcome, error, firstSeenAt }: PublishResult, settle: () => void): void {
    countOutcome(tally, outcome);
    if (outcome === 'conflict') {
      const message = `is stored with another payload or source${firstSeenAt ? ` since ${firstSeenAt}` : ''}`;
      atFault(piece, [{ field: 'event_id', message }], settle);
    } else if (outcome === 'dead_lettered') {
      atFault(piece, [{ field: '', message: `is among the dead letters: ${error?.message ?? ''}` }], settle);
    } else if (outcome === 'rejected') {
      atFault(piece, [{ field: error?.field ?? '', message: error?.message ?? 'is refused' }], settle);
    } else settle();
  }

  function failed(piece: Piece, error: unknown, settle: () => void): void {
    if (error instanceof EventsieveError && isRefusal(error)) {
      tally.rejected++;
      const faults = error.fields.length > 0 ? error.fields : [{ field: '', message: error.message }];
      atFault(piece, faults, settle);
      return;
    }
    tally.errors++;
    // Of those that are given up on an interruption it is known why.
    end({ failure: error as Error });
  }

  async function send(piece: Piece, event: NewEvent): Promise<void> {
    await door.ready();
    if (ending !== 'done') return;
    const settle = ledger.open(piece.end);
    door.send(event).then(
      (result) => answered(piece, result, settle),
      (error) => failed(piece, error, settle),
    );
  }

  async function take(piece: Piece): Promise<void> {
    const event = piece.fault === undefined ? records.read(piece.text, piece.record) : undefined;
    if (event !== undefined && !isFaulty(event)) return send(piece, event);
    tally.rejected++;
    const faults = event === undefined ? [{ field: '', message: piece.fault ?? '' }] : event;
    atFault(piece, faults as readonly RecordFault[], ledger.open(piece.end));
  }

  try {
    for await (const pieces of records.pieces()) {
      for (const piece of pieces) {
        if (ending !== 'done') break;
        await ledger.room();
        await take(piece);
      }
      if (ending !== 'done') break;
    }
    allRead = ending === 'done';
  } catch (error) {
    if (error instanceof UsageError) throw error;
    end({ failure: error as Error });
  } finally {
    await close();
    clearTimeout(lastTimer);
    interrupted.removeEventListener('abort', interrupt);
  }
  // It came too late to matter.
  return allRead && ledger.isSettled() ? 'done' : ending;
}

function isRefusal({ code }: EventsieveError): boolean {
  return code === 'INVALID_ARGUMENT' || code === 'PAYLOAD_TOO_LARGE';
}
