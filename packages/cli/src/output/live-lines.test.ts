import { expect, test } from 'vitest';
import { liveLines } from './live-lines.js';

function screenOf(columns: number, rows: number) {
  let written = '';
  const write = (text: string) => {
    written += text;
    return true;
  };
  const stream = { columns, rows, write };
  return { stream: stream as unknown as NodeJS.WriteStream, written: () => written };
}

/** What stands on a screen after all that was written to it. */
function shownBy(written: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  // Escape is shown as ^, which none of the texts has.
  for (const [part] of written.replaceAll('\x1b', '^').matchAll(/\^\[(?:\?25[lh]|\d*[AKJ])|[^^\n\r]+|\n|\r/g)) {
    const [, up] = /^\^\[(\d+)A$/.exec(part) ?? [];
    if (up !== undefined) row -= Number(up);
    else if (part === '\n') lines[++row] ??= '';
    else if (part === '^[J') lines.splice(row, Number.POSITIVE_INFINITY, '');
    else if (!/^[\^\r]/.test(part)) lines[row] = part;
  }
  return lines.slice(0, -1);
}

test('lines are written over by the next, also when those are fewer, and stay in the end', () => {
  const { stream, written } = screenOf(20, 10);
  const live = liveLines(stream);
  live.show(['one', 'two', 'three']);
  expect(shownBy(written())).toEqual(['one', 'two', 'three']);
  live.show(['four', 'a line that is much too long']);
  expect(shownBy(written())).toEqual(['four', 'a line that is muc…']);
  live.end('stays');
  expect(shownBy(written())).toEqual(['four', 'a line that is muc…']);
  expect(written().endsWith('\x1b[?25h')).toBe(true);
});

test('lines may go away in the end, and what has shown nothing writes nothing', () => {
  const { stream, written } = screenOf(20, 10);
  liveLines(stream).end('goes');
  expect(written()).toBe('');
  const live = liveLines(stream);
  live.show(['one', 'two']);
  live.end('goes');
  expect(shownBy(written())).toEqual([]);
});

test('no more lines are shown than the screen has, since those above it could not be written over', () => {
  const { stream, written } = screenOf(20, 4);
  liveLines(stream).show(['1', '2', '3', '4', '5']);
  expect(shownBy(written())).toEqual(['1', '2', '3']);
});
