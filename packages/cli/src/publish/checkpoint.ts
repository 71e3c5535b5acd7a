import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { FileIdentity } from './open-input.js';
import type { Place } from './piece.js';
import type { Manner } from './read-pieces.js';

/** How far a file was published. */
export interface Checkpoint {
  readonly version: 1;
  readonly file: FileIdentity;
  /** All that decides what is made of the file, and where it goes. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly manner: Manner;
  readonly place: Place;
  readonly at: string;
}

export type Found =
  | { readonly checkpoint: Checkpoint }
  /** It cannot be gone on from; the sentence says why, if there is anything to say. */
  | { readonly sentence: string | undefined };

export async function readCheckpoint(
  path: string,
  file: FileIdentity,
  settings: Readonly<Record<string, unknown>>,
): Promise<Found> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { sentence: code === 'ENOENT' ? undefined : `the checkpoint cannot be read (${message}); starting anew` };
  }
  const checkpoint = parse(text);
  if (checkpoint === undefined) return { sentence: `${path} is no checkpoint of this version; starting anew` };
  if (JSON.stringify(checkpoint.file) !== JSON.stringify(file)) {
    return { sentence: 'the file has changed since it was interrupted; starting anew' };
  }
  const keys = new Set([...Object.keys(settings), ...Object.keys(checkpoint.settings)]);
  const changed = [...keys].filter((key) => JSON.stringify(settings[key]) !== JSON.stringify(checkpoint.settings[key]));
  if (changed.length > 0) {
    return { sentence: `the file was interrupted with other flags (${changed.join(', ')}); starting anew` };
  }
  return { checkpoint };
}

/** In one step: a crash leaves the old one or the new one. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const next = `${path}.next`;
  await writeFile(next, `${JSON.stringify(checkpoint)}\n`);
  await rename(next, path);
}

export async function removeCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
}

function parse(text: string): Checkpoint | undefined {
  try {
    const value = JSON.parse(text) as Partial<Checkpoint> | null;
    const { version, file, settings, manner, place } = value ?? {};
    const known = version === 1 && file && settings && manner && Number.isSafeInteger(place?.offset);
    return known ? (value as Checkpoint) : undefined;
  } catch {
    return undefined;
  }
}
