import { cutTo } from './text-width.js';

/** Lines on a terminal that are written over by the next. Without colours: what is cut must not be half a code. */
export interface LiveLines {
  show(lines: readonly string[]): void;
  /** What was shown last stays, or goes away. */
  end(last: 'stays' | 'goes'): void;
}

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

export function liveLines(stream: NodeJS.WriteStream): LiveLines {
  let shown = 0;
  const back = () => (shown === 0 ? '' : `\x1b[${shown}A\r\x1b[0J`);
  return {
    show(lines) {
      // A line that is broken in two could not be counted, and what is above the screen cannot be reached.
      const room = lines.slice(0, Math.max(1, (stream.rows || 24) - 1));
      const text = room.map((line) => `${cutTo(line, (stream.columns || 80) - 1)}\n`).join('');
      stream.write(`${hideCursor}${back()}${text}`);
      shown = room.length;
    },
    end(last) {
      stream.write(`${last === 'goes' ? back() : ''}${showCursor}`);
      shown = 0;
    },
  };
}
