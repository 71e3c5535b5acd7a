import type { Command, CommandContext } from './command.js';
import { exitCodes, failureOf } from './exit-codes.js';
import { aligned } from './help.js';
import { nearest } from './nearest.js';

/** Runs the one of these that the first word names. `name` is what they belong to. */
export async function dispatch(
  name: string,
  commands: readonly Command[],
  help: string,
  [word, ...rest]: readonly string[],
  context: CommandContext,
): Promise<number> {
  if (word === undefined) {
    context.complain(help);
    return exitCodes.wrongUse;
  }
  if (isHelp(word)) {
    context.say(help);
    return exitCodes.done;
  }
  if (word === 'help') return dispatch(name, commands, help, [...rest, '--help'], context);
  const command = commands.find((each) => each.name === word);
  if (command === undefined) {
    const meant = nearest(
      word,
      commands.map((each) => each.name),
    );
    const hint = meant === undefined ? ';' : `, did you mean ${meant}?`;
    context.complain(`${word} is not a command${hint} ${name} --help lists them.`);
    return exitCodes.wrongUse;
  }
  const end = rest.indexOf('--');
  if (command.commands === undefined && rest.slice(0, end === -1 ? undefined : end).some(isHelp)) {
    context.say(command.help);
    return exitCodes.done;
  }
  try {
    return await command.run(rest, context);
  } catch (error) {
    const { exitCode, line } = failureOf(error, command.flags);
    if (line !== undefined) context.complain(line);
    return exitCode;
  }
}

/** A command whose next word says what to do. */
export function defineGroup(name: string, summary: string, commands: readonly Command[]): Command {
  const help = overview(name, commands);
  return {
    name,
    summary,
    help,
    commands,
    run: (args, context) => dispatch(`eventsieve ${name}`, commands, help, args, context),
  };
}

function overview(name: string, commands: readonly Command[]): string {
  const list = aligned(commands.map((each) => [each.name, each.summary]));
  return [
    `eventsieve ${name} <command> [flags]`,
    '',
    ...list,
    '',
    `eventsieve ${name} <command> --help says more.`,
  ].join('\n');
}

const isHelp = (word: string) => word === '--help' || word === '-h';
