import type { DeadLetter } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../output/output.js';
import { cutTo, printable } from '../output/text-width.js';
import { amountFlags, readAmount } from '../reading/amount.js';
import { timesHelp } from '../reading/filter-flags.js';
import { letterFilterFlags, readLetterFilter } from './choose-letters.js';
import { letterJson } from './letter-json.js';

const mostInPage = 500;

export const list = defineCommand({
  name: 'dead-letters list',
  summary: 'list copies that could not be stored',
  about: `A line each: id, when, state, code, topic, event id, reason; piped with tabs between them. --json: a line each in the
form of GET /dead-letters.
${timesHelp}`,
  flags: [
    ...letterFilterFlags,
    { name: 'state', choices: ['open', 'redriven', 'discarded'], fallback: 'any', meaning: 'only in this state' },
    { name: 'order', choices: ['asc', 'desc'], fallback: 'asc', meaning: 'desc: the newest first' },
    ...amountFlags,
    jsonFlag,
    ...connectionFlags,
  ],
  examples: ['eventsieve dead-letters list --state open', 'eventsieve dead-letters list --code 22P05 --all --json'],
  run(given, context) {
    const wanted = readAmount(given);
    const options = {
      ...readLetterFilter(given),
      state: given.choice<DeadLetter['state']>('state'),
      order: given.choice<'asc' | 'desc'>('order'),
      // One more than are wanted tells whether there are more.
      pageSize: Math.min(wanted + 1, mostInPage),
      retry: false,
      signal: context.interrupted,
    };
    const show = given.isOn('json') ? (letter: DeadLetter) => JSON.stringify(letterJson(letter)) : letterLine(context);
    return withClient(given, context, async (client) => {
      let shown = 0;
      for await (const letter of client.deadLetters.list(options)) {
        if (shown++ === wanted) {
          context.complain('there are more: --all shows them');
          break;
        }
        context.say(show(letter));
        await context.ready();
      }
      return exitCodes.done;
    });
  },
});

function letterLine({ isTerminal, columns }: Pick<Output, 'isTerminal' | 'columns'>) {
  return ({ position, deadLetteredAt, state, code, topic, eventId, reason }: DeadLetter): string => {
    const fields = [String(position), deadLetteredAt, state, code, topic || '-', eventId || '-', reason].map(printable);
    return isTerminal ? cutTo(fields.join('  '), columns()) : fields.join('\t');
  };
}
