import type { Environment } from '../environment.js';
import { type LiveLines, liveLines } from './live-lines.js';
import { type Paint, paintFor } from './paint.js';

/** Where a command speaks. */
export interface Output {
  /** Results. */
  readonly say: (line: string) => void;
  /** What went wrong, one sentence. */
  readonly complain: (line: string) => void;
  /** Resolves once whoever reads the results has room for more. Loops that say much wait for it. */
  readonly ready: () => Promise<void>;
  /** Somebody looks at the results, rather than a program or a file. */
  readonly isTerminal: boolean;
  /** The same of complaints. */
  readonly complainsToTerminal: boolean;
  /** How wide the terminal is at the moment; without one there is no end. */
  readonly columns: () => number;
  /** Colours of results, or none. */
  readonly paint: Paint;
  /** Lines that are written over: of results, or where complaints go, so that results can be piped beside them. */
  readonly live: (where: 'results' | 'complaints') => LiveLines;
}

export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export function createOutput({ stdout, stderr }: Streams, environment: Environment): Output {
  const isTerminal = stdout.isTTY === true;
  const hasColours = isTerminal && !environment.NO_COLOR && environment.TERM !== 'dumb';
  return {
    say: (line) => void stdout.write(`${line}\n`),
    complain: (line) => void stderr.write(`${line}\n`),
    async ready() {
      if (stdout.writableNeedDrain) await new Promise<void>((resolve) => stdout.once('drain', resolve));
    },
    isTerminal,
    complainsToTerminal: stderr.isTTY === true,
    columns: () => (isTerminal ? stdout.columns || 80 : Number.POSITIVE_INFINITY),
    paint: paintFor(hasColours),
    live: (where) => liveLines(where === 'results' ? stdout : stderr),
  };
}
