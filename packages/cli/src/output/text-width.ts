const graphemes = new Intl.Segmenter();
const wide =
  /\p{Emoji_Presentation}|\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}]/u;
const plain = /^[\x20-\x7e]*$/;

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += widthOfOne(segment);
  return width;
}

/** At most so many columns of it, with … for what is left out. */
export function cutTo(text: string, columns: number): string {
  if (text.length <= columns && plain.test(text)) return text;
  let width = 0;
  let end = 0;
  for (const { segment, index } of graphemes.segment(text)) {
    width += widthOfOne(segment);
    if (width > columns) return `${text.slice(0, end)}…`;
    if (width < columns) end = index + segment.length;
  }
  return text;
}

function widthOfOne(grapheme: string): number {
  return wide.test(grapheme) ? 2 : 1;
}

// Also what turns the direction of writing around, and line ends that JSON does not escape.
const unprintable = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** What others wrote, so that it cannot steer the terminal. */
export function printable(text: string): string {
  return text.replace(unprintable, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
