import type { Command } from '../command.js';
import type { Flag, Positional } from '../flag.js';

/** A command with the words that lead to it, such as `dead-letters list`. */
export interface Leaf {
  readonly words: readonly string[];
  readonly flags: readonly Flag[];
  readonly positionals: readonly Positional[];
}

export interface Tree {
  readonly commands: readonly Command[];
  readonly leaves: readonly Leaf[];
  readonly groups: readonly (Command & { readonly commands: readonly Command[] })[];
}

export function treeOf(commands: readonly Command[]): Tree {
  const leaf = (words: readonly string[], { flags = [], positionals = [] }: Command) => ({ words, flags, positionals });
  return {
    commands,
    leaves: commands.flatMap((command) =>
      command.commands === undefined
        ? [leaf([command.name], command)]
        : command.commands.map((each) => leaf([command.name, each.name], each)),
    ),
    groups: commands.flatMap((command) =>
      command.commands === undefined ? [] : [{ ...command, commands: command.commands }],
    ),
  };
}

/** What a value is completed with. */
export function valuesOf({ choices, ...rest }: Flag | Positional): readonly string[] | 'files' | 'nothing' {
  if (choices !== undefined) return choices;
  const what = 'value' in rest ? rest.value : rest.name;
  return what === 'file' ? 'files' : 'nothing';
}
