import type { Flag } from '../flag.js';
import { type Leaf, type Tree, valuesOf } from './tree.js';

export function fishScript({ commands, leaves, groups }: Tree): string {
  const words = commands.map(({ name, summary }) => line('__fish_use_subcommand', `-a ${name} -d ${quoted(summary)}`));
  const inner = groups.flatMap((group) => {
    const names = group.commands.map(({ name }) => name).join(' ');
    const none = `__fish_seen_subcommand_from ${group.name}; and not __fish_seen_subcommand_from ${names}`;
    return group.commands.map(({ name, summary }) => line(none, `-a ${name} -d ${quoted(summary)}`));
  });
  return [
    '# Completion of fish: eventsieve completion fish > ~/.config/fish/completions/eventsieve.fish',
    'complete -c eventsieve -f',
    ...words,
    ...inner,
    ...leaves.flatMap(leafLines),
  ].join('\n');
}

function leafLines({ words, flags, positionals }: Leaf): string[] {
  const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
  return [
    ...positionals.flatMap((each) => {
      const values = valuesOf(each);
      if (values === 'nothing') return [];
      return [line(seen, values === 'files' ? '-F' : `-a ${quoted(values.join(' '))}`)];
    }),
    line(seen, `-l help -d 'say more'`),
    ...flags.map((flag) => line(seen, `-l ${flag.name} -d ${quoted(flag.meaning)}${valuePart(flag)}`)),
  ];
}

function valuePart(flag: Flag): string {
  if (flag.kind === 'boolean') return '';
  const values = valuesOf(flag);
  if (values === 'files') return ' -r -F';
  return values === 'nothing' ? ' -x' : ` -x -a ${quoted(values.join(' '))}`;
}

const line = (condition: string, rest: string) => `complete -c eventsieve -n ${quoted(condition)} ${rest}`;
const quoted = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`;
