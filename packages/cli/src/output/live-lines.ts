import { cutTo } from './text-width.js';

/** Lines on a terminal that are written over by the next. Without colours: what is cut must not be half a code. */
export interface LiveLines {
  show(lines: readonly string[]): void;
  /** What was shown last stays, or goes away. */
  end(last: 'stays' | 'goes'): void;
}

const toLineEnd = '\x1b[K';
const toScreenEnd = '\x1b[J';
const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

export function liveLines(stream: NodeJS.WriteStream): LiveLines {
  let shown = 0;
  const back = () => (shown === 0 ? '' : `\x1b[${shown}A\r`);
  // Whatever ends the process: a terminal without a cursor is of no use.
  const restore = () => void stream.write(showCursor);
  return {
    show(lines) {
      // A line that is broken in two could not be counted, and what is above the screen cannot be reached.
      const room = lines.slice(0, Math.max(1, (stream.rows || 24) - 1));
      const text = room.map((line) => `${cutTo(line, (stream.columns || 80) - 1)}${toLineEnd}\n`).join('');
      if (shown === 0) process.once('exit', restore);
      // Written over, not wiped out before: that would flicker.
      stream.write(`${hideCursor}${back()}${text}${toScreenEnd}`);
      shown = room.length;
    },
    end(last) {
      if (shown === 0) return;
      stream.write(`${last === 'goes' ? `${back()}${toScreenEnd}` : ''}${showCursor}`);
      process.off('exit', restore);
      shown = 0;
    },
  };
}
