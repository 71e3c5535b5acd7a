/** The name that a mistyped one was meant to be, if one is near enough. */
export function nearest(given: string, names: readonly string[]): string | undefined {
  const mostEdits = Math.max(1, Math.floor(given.length / 3));
  let found: string | undefined;
  let fewest = mostEdits + 1;
  for (const name of names) {
    const edits = editsBetween(given, name);
    if (edits < fewest) [found, fewest] = [name, edits];
  }
  return found ?? names.find((name) => given.length > 2 && name.startsWith(given));
}

/** Letters put in, left out, taken for others, or swapped with their neighbour. */
function editsBetween(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= one.length; row++) {
    const line = [row];
    rows.push(line);
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      line.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (same ? 0 : 1),
          swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(one.length, other.length);
}
