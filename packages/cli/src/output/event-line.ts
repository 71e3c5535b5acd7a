import type { StoredEvent } from '@eventsieve/client';
import type { Output } from './output.js';
import { cutTo, printable, widthOf } from './text-width.js';

const widestColumn = 40;

/**
 * For people: time received, topic, id, source, payload. On a terminal in columns, and cut to its width; piped with tabs
 * between them, and whole.
 */
export function eventLines({ isTerminal, columns, paint }: Pick<Output, 'isTerminal' | 'columns' | 'paint'>) {
  const widths = [0, 0, 0];
  return ({ receivedAt, topic, eventId, source, payloadJson }: StoredEvent): string => {
    const fields = [topic, eventId, source].map(printable);
    const payload = printable(payloadJson);
    if (!isTerminal) return [receivedAt, ...fields, payload].join('\t');
    const time = `${receivedAt.slice(0, 19)}Z`;
    const cells = fields.map((field, index) => {
      const width = Math.min(widestColumn, Math.max(widths[index] ?? 0, widthOf(field)));
      widths[index] = width;
      return padTo(cutTo(field, width), width);
    });
    const plain = [time, ...cells, payload].join('  ');
    const shown = cutTo(plain, columns());
    return colour(shown, [time, ...cells], [paint.dim, paint.cyan, paint.bold, paint.dim]);
  };
}

export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Colours the cells that a line begins with; what was cut off has none. */
function colour(line: string, cells: readonly string[], paints: readonly ((text: string) => string)[]): string {
  let at = 0;
  let painted = '';
  cells.forEach((cell, index) => {
    const part = line.slice(at, at + cell.length);
    painted += `${paints[index]?.(part) ?? part}${line.slice(at + cell.length, at + cell.length + 2)}`;
    at += cell.length + 2;
  });
  return painted + line.slice(at);
}
