import type { Flag, Positional } from './flag.js';

export interface HelpSpec {
  /** With the command that it belongs to, such as `dead-letters list`. */
  readonly name: string;
  readonly summary: string;
  /** What --help says more, in lines of at most 120 characters. */
  readonly about?: string;
  readonly positionals?: readonly Positional[];
  readonly flags: readonly Flag[];
  readonly examples: readonly string[];
}

export function helpText(spec: HelpSpec): string {
  const { name, summary, about, positionals = [], flags, examples } = spec;
  const words = positionals.map(wordOf);
  const usage = ['eventsieve', name, ...words, ...(flags.length > 0 ? ['[flags]'] : [])].join(' ');
  const rows = flags.map((flag) => [headOf(flag), flag.variable ?? '', flag.fallback ?? '', flag.meaning]);
  return [
    `${usage}: ${summary}`,
    ...(about === undefined ? [] : ['', about]),
    ...(positionals.length === 0 ? [] : ['', ...aligned(positionals.map((each) => [wordOf(each), each.meaning]))]),
    ...(rows.length === 0 ? [] : ['', ...aligned([['flag', 'variable', 'default', ''], ...rows])]),
    ...(examples.length === 0 ? [] : ['', ...examples.map((line) => `  ${line}`)]),
  ].join('\n');
}

function wordOf({ name, optional, many }: Positional): string {
  const word = many ? `<${name}>...` : `<${name}>`;
  return optional ? `[${word}]` : word;
}

function headOf({ name, kind, value = 'text' }: Flag): string {
  return kind === 'boolean' ? `--${name}` : `--${name} <${value}>`;
}

/** In columns as wide as what is in them; a column with nothing in it takes no room. */
export function aligned(rows: readonly (readonly string[])[], indent = '  '): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => {
    const cells = row.map((cell, column) => (widths[column] === 0 ? '' : `${cell.padEnd(widths[column] ?? 0)}  `));
    return `${indent}${cells.join('')}`.trimEnd();
  });
}
