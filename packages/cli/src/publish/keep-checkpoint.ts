import { type Checkpoint, readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.js';
import type { Ledger } from './ledger.js';
import type { Input } from './open-input.js';
import type { PublishOptions } from './options.js';
import { beginning, type Place } from './piece.js';
import type { Manner } from './read-pieces.js';

export interface Start {
  readonly from: Place;
  readonly manner?: Manner;
  /** Worth a word. */
  readonly sentence: string | undefined;
}

export interface Keeper {
  find(): Promise<Start>;
  /** Writes every few seconds, for what ends without a warning. */
  whileRunning(
    ledger: Ledger,
    manner: () => Manner | undefined,
    note: (line: string) => void,
  ): { stop(): Promise<void> };
  /** What to say about where it stopped, once that is written. */
  stopped(place: Place, manner: Manner | undefined, why: string): Promise<string>;
  remove(): Promise<void>;
}

const everyMs = 3_000;

export function keepCheckpoint(options: PublishOptions, { name, identity }: Input): Keeper {
  const path = options.checkpoint ?? `${options.path}.eventsieve-checkpoint`;
  const file = options.withCheckpoint ? identity : undefined;
  const settings = settingsOf(options);

  async function write(place: Place, manner: Manner | undefined): Promise<string | undefined> {
    if (file === undefined || manner === undefined) return undefined;
    const checkpoint: Checkpoint = { version: 1, file, settings, manner, place, at: new Date().toISOString() };
    try {
      await writeCheckpoint(path, checkpoint);
      return undefined;
    } catch (error) {
      return `The checkpoint cannot be written: ${(error as Error).message}; --checkpoint names another place.`;
    }
  }

  return {
    async find() {
      if (file === undefined) return { from: beginning, sentence: undefined };
      const found = await readCheckpoint(path, file, settings);
      if (!('checkpoint' in found)) return { from: beginning, sentence: found.sentence };
      const { place, manner, at } = found.checkpoint;
      // A header is still to be read.
      if (place.offset === 0) return { from: beginning, sentence: undefined };
      return { from: place, manner, sentence: `going on after line ${place.line}, where it stopped (${at})` };
    },
    whileRunning(ledger, manner, note) {
      let last = ledger.place();
      let writing = Promise.resolve();
      let complained = false;
      const timer = setInterval(() => {
        const place = ledger.place();
        if (place === last) return;
        last = place;
        writing = write(place, manner()).then((problem) => {
          if (problem !== undefined && !complained) note(problem);
          complained ||= problem !== undefined;
        });
      }, everyMs);
      return {
        async stop() {
          clearInterval(timer);
          await writing;
        },
      };
    },
    async stopped(place, manner, why) {
      const where = `${why}, after line ${place.line} of ${name}`;
      if (identity === undefined) {
        return `${where}. Publish it again from the beginning: what is there already is answered as a duplicate.`;
      }
      if (file === undefined) return `${where}. The same command begins anew, and repeats only what is there already.`;
      return (await write(place, manner)) ?? `${where}. The same command goes on from there (${path}).`;
    },
    async remove() {
      if (file !== undefined) await removeCheckpoint(path);
    },
  };
}

/** All that decides which events a file becomes, and where they go. */
function settingsOf({ url, connection, format, defaults, mappings }: PublishOptions): Checkpoint['settings'] {
  return {
    target: url ?? connection.gateway,
    format: format ?? 'auto',
    topic: defaults.topic ?? null,
    source: defaults.source ?? null,
    'id-from': defaults.idFrom,
    map: mappings,
  };
}
