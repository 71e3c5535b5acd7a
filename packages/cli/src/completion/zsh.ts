import type { Flag, Positional } from '../flag.js';
import { type Tree, valuesOf } from './tree.js';

export function zshScript({ commands, leaves, groups }: Tree): string {
  const described = (list: readonly { readonly name: string; readonly summary: string }[]) =>
    list.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(' ');
  const cases = leaves.map(({ words, flags, positionals }) => {
    const specs = [quoted('--help[say more]'), ...flags.map(flagSpec), ...positionals.map(positionalSpec)];
    return `    ${quoted(words.join(' '))}) _arguments ${specs.join(' ')} ;;`;
  });
  return `#compdef eventsieve
# Completion of zsh: eventsieve completion zsh > a folder of $fpath/_eventsieve, or: source <(eventsieve completion zsh)
_eventsieve() {
  local -a list
  if (( CURRENT == 2 )); then
    list=(${described(commands)})
    _describe command list
    return
  fi
  local name=$words[2] taken=1
  case $name in
${groups
  .map(
    (group) => `    ${group.name})
      if (( CURRENT == 3 )); then
        list=(${described(group.commands)})
        _describe command list
        return
      fi
      name="$name $words[3]" taken=2 ;;`,
  )
  .join('\n')}
  esac
  shift $taken words
  (( CURRENT -= taken ))
  case $name in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _eventsieve ]]; then _eventsieve "$@"; else compdef _eventsieve eventsieve; fi`;
}

function flagSpec(flag: Flag): string {
  const { name, kind, meaning, value = 'text' } = flag;
  const again = kind === 'repeated' ? '*' : '';
  const head = `${again}--${name}[${escaped(meaning)}]`;
  return quoted(kind === 'boolean' ? head : `${head}:${escaped(value)}:${actionOf(flag)}`);
}

function positionalSpec(positional: Positional): string {
  const { name, many } = positional;
  return quoted(`${many ? '*' : ''}:${name}:${actionOf(positional)}`);
}

function actionOf(each: Flag | Positional): string {
  const values = valuesOf(each);
  if (values === 'files') return '_files';
  return values === 'nothing' ? ' ' : `(${values.join(' ')})`;
}

const escaped = (text: string) => text.replace(/[[\]:\\]/g, '\\$&');
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
