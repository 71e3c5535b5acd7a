import type { Client, Pool } from 'pg';
import { deadLetter } from '../src/dead-letter.js';
import { advanceWatermark, openEpoch } from '../src/sql/epochs.js';
import { storeBatch } from '../src/store-batch.js';
import { storeRedrive } from '../src/store-redrive.js';
import { deliveryOf, type Given } from './model-broker.js';
import type { ModelStore, Verdict } from './model-store.js';

/** One transaction: what is called, and what the model says of it. Both answer with the same text. */
export interface Call {
  readonly label: string;
  readonly given: readonly Given[];
  run(connection: Pool): Promise<string>;
  /** Changes the model, or raises what the function must raise. */
  expected(store: ModelStore): string;
}

/** The functions under test take a pool, and need no more of it than one connection has. */
export const asPool = (client: Client): Pool => client as unknown as Pool;

const at = (given: readonly Given[]) =>
  given.map(({ position, message: { uid, redrive } }) => `#${uid}${redrive ? 'R' : ''}@${position}`).join(' ');

const asText = (verdicts: ReadonlyMap<unknown, Verdict>) =>
  [...verdicts]
    .map(([position, { outcome, firstSeenAtUs }]) => `${position}:${outcome}/${firstSeenAtUs}`)
    .sort()
    .join(' ');

export function storing(epoch: number, shard: number, given: readonly Given[]): Call {
  return {
    label: `store ${at(given)} in epoch ${epoch}`,
    given,
    run: async (connection) => asText(await storeBatch(connection, epoch, shard, given.map(deliveryOf))),
    expected: (store) => asText(store.storeBatch(epoch, given)),
  };
}

export function redriving(epoch: number, shard: number, given: Given): Call {
  return {
    label: `redrive ${at([given])} for ${given.message.redrive?.letter} in epoch ${epoch}`,
    given: [given],
    run: async (connection) => asText(new Map([['', await storeRedrive(connection, epoch, shard, deliveryOf(given))]])),
    expected: (store) => asText(new Map([['', store.storeRedrive(epoch, given)]])),
  };
}

export function burying(epoch: number, shard: number, given: Given, code: string): Call {
  return {
    label: `bury ${at([given])} in epoch ${epoch}`,
    given: [given],
    async run(connection) {
      await deadLetter(connection, epoch, shard, deliveryOf(given), { code, message: 'refused by a rule' });
      return '';
    },
    expected(store) {
      if (given.message.redrive) store.buryAgain(epoch, given, code);
      else store.bury(epoch, given, code);
      return '';
    },
  };
}

export function discarding(letter: number): Call {
  return {
    label: `discard ${letter}`,
    given: [],
    async run(connection) {
      // As the query service does it.
      await connection.query(
        `update dead_letters set state = 'discarded', state_since = clock_timestamp()
         where position = $1 and state = 'open'`,
        [letter],
      );
      return '';
    },
    expected(store) {
      store.discard(letter);
      return '';
    },
  };
}

export function advancing(epoch: number, committed: number, known: number): Call {
  return {
    label: `advance to ${committed} of ${known} in epoch ${epoch}`,
    given: [],
    run: async (connection) => String(await advanceWatermark(connection, epoch, BigInt(committed), BigInt(known))),
    expected: (store) => String(store.advance(epoch, committed, known)),
  };
}

export function opening(expected: number, created: string, lastSequence: number, firstSequence = 1): Call {
  return {
    label: `open after ${expected} on ${created}, sequences ${firstSequence} to ${lastSequence}`,
    given: [],
    async run(connection) {
      const stream = { created, firstSequence, lastSequence };
      const { epoch, base, streamCreated } = await openEpoch(connection, expected, stream, 'model');
      return `${epoch} ${base} ${streamCreated}`;
    },
    expected(store) {
      const { epoch, base, created: streamCreated } = store.open(expected, created, firstSequence, lastSequence);
      return `${epoch} ${base} ${streamCreated}`;
    },
  };
}
