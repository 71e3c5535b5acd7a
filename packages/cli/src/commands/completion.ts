import type { Command } from '../command.js';
import { bashScript } from '../completion/bash.js';
import { fishScript } from '../completion/fish.js';
import { type Tree, treeOf } from '../completion/tree.js';
import { zshScript } from '../completion/zsh.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';

type Shell = 'bash' | 'zsh' | 'fish';

const scripts: Readonly<Record<Shell, (tree: Tree) => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** Of all commands, itself among them. */
export function defineCompletion(commands: () => readonly Command[]): Command {
  return defineCommand({
    name: 'completion',
    summary: 'print what makes a shell complete commands and flags',
    about: 'The script knows the commands of the version that printed it: print it again after an update.',
    positionals: [{ name: 'shell', choices: Object.keys(scripts), meaning: 'which shell it is for' }],
    flags: [],
    examples: [
      `echo 'eval "$(eventsieve completion bash)"' >> ~/.bashrc`,
      'eventsieve completion zsh > ~/.zfunc/_eventsieve',
      'eventsieve completion fish > ~/.config/fish/completions/eventsieve.fish',
    ],
    async run(given, { say }) {
      const script = scripts[given.positional('shell') as Shell];
      say(script(treeOf(commands())));
      return exitCodes.done;
    },
  });
}
