import { type Tree, valuesOf } from './tree.js';

/** Needs nothing but bash itself: neither bash-completion nor a newer one than macOS has. */
export function bashScript({ commands, leaves, groups }: Tree): string {
  const valueCases = leaves.flatMap(({ words, flags }) =>
    flags
      .filter(({ kind }) => kind !== 'boolean')
      .map((flag) => `    '${words.join(' ')} --${flag.name}') ${reply(valuesOf(flag))} ;;`),
  );
  const wordCases = leaves.map(({ words, flags, positionals }) => {
    const [first] = positionals;
    const dashed = ['--help', ...flags.map(({ name }) => `--${name}`)];
    const values = first === undefined ? 'nothing' : valuesOf(first);
    const plain = values === 'nothing' ? `words='${dashed.join(' ')}'` : reply(values);
    return `    '${words.join(' ')}') if [[ $cur == -* ]]; then words='${dashed.join(' ')}'; else ${plain}; fi ;;`;
  });
  return `# Completion of bash: eval "$(eventsieve completion bash)"
_eventsieve() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} name=\${COMP_WORDS[1]} words='' files=''
  case $COMP_CWORD.$name in
    1.*) words='${[...commands.map(({ name }) => name), 'help', '--help', '--version'].join(' ')}' ;;
${groups.map((group) => `    2.${group.name}) words='${group.commands.map(({ name }) => name).join(' ')}' ;;`).join('\n')}
    *)
      case $name in
${groups.map(({ name }) => `        ${name}) name="$name \${COMP_WORDS[2]}" ;;`).join('\n')}
      esac
      case "$name $prev" in
${indented(valueCases)}
        *)
          case $name in
${indented(indented(wordCases).split('\n'))}
          esac
          ;;
      esac
      ;;
  esac
  COMPREPLY=()
  local each
  while IFS= read -r each; do COMPREPLY+=("$each"); done < <(
    if [[ -n $files ]]; then compgen -f -- "$cur"; else compgen -W "$words" -- "$cur"; fi
  )
}
complete -o filenames -F _eventsieve eventsieve`;
}

function reply(values: readonly string[] | 'files' | 'nothing'): string {
  if (values === 'files') return 'files=yes';
  return values === 'nothing' ? "words=''" : `words='${values.join(' ')}'`;
}

const indented = (lines: readonly string[]) => lines.map((line) => `    ${line}`).join('\n');
