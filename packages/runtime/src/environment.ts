import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The process's environment over a `.env` file in the current folder, if there is one. */
export function readEnvironment(): Environment {
  let file: Environment = {};
  try {
    file = parseEnv(readFileSync('.env', 'utf8')) as Environment;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { ...file, ...process.env };
}
