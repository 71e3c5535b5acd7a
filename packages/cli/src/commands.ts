import { type Command, type CommandContext, UsageError } from './command.js';
import { simulate } from './commands/simulate.js';

const commands: readonly Command[] = [simulate];

const usageCode = 2;

/** Resolves with the exit code: 0 done, 1 something failed, 2 asked for what cannot be. */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    context.say(overview());
    return name === undefined ? usageCode : 0;
  }
  const command = commands.find((each) => each.name === name);
  if (command === undefined) {
    context.complain(`${name} is not a command; eventsieve --help lists them.`);
    return usageCode;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    context.say(command.help);
    return 0;
  }
  try {
    return await command.run(rest, context);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    context.complain(error.message);
    return usageCode;
  }
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return ['eventsieve <command> [flags]', '', ...list, '', 'eventsieve <command> --help says more.'].join('\n');
}
