import type { Command, CommandContext } from './command.js';
import { type FlagReader, readFlags } from './flags.js';
import { type HelpSpec, helpText } from './help.js';

export interface CommandSpec extends HelpSpec {
  run(given: FlagReader, context: CommandContext): Promise<number>;
}

export function defineCommand(spec: CommandSpec): Command {
  const { name, summary, flags, positionals = [] } = spec;
  return {
    name: name.split(' ').at(-1) ?? name,
    summary,
    help: helpText(spec),
    flags,
    positionals,
    run: (args, context) => spec.run(readFlags(args, flags, context.environment, positionals), context),
  };
}
