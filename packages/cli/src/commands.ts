import { readFileSync } from 'node:fs';
import type { Command, CommandContext } from './command.js';
import { defineCompletion } from './commands/completion.js';
import { deadLetters } from './commands/dead-letters.js';
import { duplicates } from './commands/duplicates.js';
import { events } from './commands/events.js';
import { get } from './commands/get.js';
import { health } from './commands/health.js';
import { publish } from './commands/publish.js';
import { reconcile } from './commands/reconcile.js';
import { simulate } from './commands/simulate.js';
import { stats } from './commands/stats.js';
import { tail } from './commands/tail.js';
import { dispatch } from './dispatch.js';
import { exitCodes, exitCodesHelp } from './exit-codes.js';
import { aligned } from './help.js';

export const commands: readonly Command[] = [
  publish,
  simulate,
  tail,
  events,
  get,
  stats,
  duplicates,
  deadLetters,
  reconcile,
  health,
  defineCompletion(() => commands),
];

/** Resolves with one of exitCodes. */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  if (args[0] === '--version') {
    context.say(readVersion());
    return exitCodes.done;
  }
  return dispatch('eventsieve', commands, overview(), args, context);
}

function overview(): string {
  return [
    'eventsieve <command> [flags]',
    '',
    ...aligned(commands.map(({ name, summary }) => [name, summary])),
    '',
    'eventsieve <command> --help says more, eventsieve --version which one this is. Flags go before variables, variables',
    'before a .env file in the current folder.',
    '',
    exitCodesHelp,
  ].join('\n');
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
