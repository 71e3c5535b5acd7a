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
  const width = Math.max(0, ...flags.map((flag) => headOf(flag).length));
  const rowOf = (flag: Flag) => wrapped(`  ${headOf(flag).padEnd(width)}  ${meaningOf(flag)}`, width + 4);
  const own = flags.filter(({ group }) => group === undefined).flatMap(rowOf);
  const connection = flags.filter(({ group }) => group === 'connection').flatMap(rowOf);
  return [
    `${usage}: ${summary}`,
    ...(about === undefined ? [] : ['', ...about.split('\n').flatMap((line) => wrapped(line, 0))]),
    ...(positionals.length === 0 ? [] : ['', ...aligned(positionals.map((each) => [wordOf(each), each.meaning]))]),
    ...section('Flags:', own),
    ...section('Connection:', connection),
    ...section(
      'Examples:',
      examples.map((line) => `  ${line}`),
    ),
  ].join('\n');
}

const mostColumns = 120;

/** What is too long goes on in the next line, that far from the left. */
function wrapped(line: string, indent: number): string[] {
  const at = line.length <= mostColumns ? -1 : line.lastIndexOf(' ', mostColumns);
  if (at <= indent) return [line];
  return [line.slice(0, at), ...wrapped(`${' '.repeat(indent)}${line.slice(at + 1)}`, indent)];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

/** With the variable that is read in its place, and the default. */
function meaningOf({ meaning, variable, fallback }: Flag): string {
  const more = [
    ...(variable === undefined ? [] : [variable]),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
  ];
  return more.length === 0 ? meaning : `${meaning} (${more.join('; ')})`;
}

function wordOf({ name, choices, optional, many }: Positional): string {
  const word = `<${choices?.join('|') ?? name}>${many ? '...' : ''}`;
  return optional ? `[${word}]` : word;
}

function headOf({ name, kind, choices, value = choices?.join('|') ?? 'text' }: Flag): string {
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
