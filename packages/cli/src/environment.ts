import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The process's environment over a `.env` file in the current folder, if there is one. */
export function readEnvironment(): Environment {
  let file: Record<string, string | undefined> = {};
  try {
    file = parseEnv(readFileSync('.env', 'utf8')) as Record<string, string | undefined>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // There it is the worker's: how many copies are stored at a time.
  delete file.BATCH_SIZE;
  return { ...file, ...process.env };
}
