import { padTo } from './event-line.js';
import { printable, widthOf } from './text-width.js';

/** Names and values, one a line; what is undefined is left out. */
export function fieldLines(fields: Readonly<Record<string, string | number | bigint | undefined>>): string[] {
  const there = Object.entries(fields).filter(([, value]) => value !== undefined);
  const width = Math.max(...there.map(([name]) => name.length));
  return there.map(([name, value]) => `  ${name.padEnd(width)}  ${printable(String(value))}`);
}

export type Cell = string | number;

/** Columns as wide as what is in them: numbers to the right, texts to the left. The first row has the names. */
export function tableLines(names: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const texts = [names, ...rows].map((row) => row.map((cell) => printable(String(cell))));
  const widths = names.map((_, column) => Math.max(...texts.map((row) => widthOf(row[column] ?? ''))));
  const isNumber = names.map((_, column) => rows.some((row) => isCount(row[column])));
  return texts.map((row) =>
    row
      .map((text, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] ? ' '.repeat(Math.max(0, width - widthOf(text))) + text : padTo(text, width);
      })
      .join('  ')
      .trimEnd(),
  );
}

const isCount = (cell: Cell | undefined) => typeof cell === 'number' || /^[\d.]+%$/.test(cell ?? '');
