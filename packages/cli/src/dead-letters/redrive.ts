import type { Redrive, RedriveResult } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { printable } from '../output/text-width.js';
import { timesHelp } from '../reading/filter-flags.js';
import { choiceFlags, choicePositionals, readChoice } from './choose-letters.js';
import { idOrNull } from './letter-json.js';
import { settleAll } from './settle-all.js';

export const redrive = defineCommand({
  name: 'dead-letters redrive',
  summary: 'send them through again',
  about: `Each is sent as a fresh message; sent twice, it still counts once. A line each: its id and what became of it. The exit
code is 1 when one could not be sent, or was dead-lettered again.
${timesHelp}`,
  positionals: choicePositionals,
  flags: [...choiceFlags, jsonFlag, ...connectionFlags],
  examples: [
    'eventsieve dead-letters redrive 1042 1043',
    'eventsieve dead-letters redrive --code 22P05 --dry-run',
    'eventsieve dead-letters redrive --all',
  ],
  run(given, context) {
    const chosen = readChoice(given);
    const { choice, dryRun } = chosen;
    const show = given.isOn('json') ? resultJson : resultLine(dryRun);
    return withClient(given, context, async (client) => {
      const tally = { sent: 0, failed: 0 };
      const settle = async (limit: number) => {
        const options = { ...(Array.isArray(choice) ? {} : { limit }), dryRun, signal: context.interrupted };
        const answer = await client.deadLetters.redrive(choice, options);
        return { ...answer, done: answer.results.filter(dryRun ? wouldBeSent : isSettled).length };
      };
      const left = await settleAll(chosen, settle, ({ sent, results }: Redrive) => {
        for (const result of results) context.say(show(result));
        tally.sent += sent;
        tally.failed += results.filter(hasFailed).length;
      });
      context.complain(
        dryRun ? `nothing was sent, ${left} more match` : `${tally.sent} sent, ${tally.failed} failed, ${left} left`,
      );
      return tally.failed === 0 ? exitCodes.done : exitCodes.failed;
    });
  },
});

const wouldBeSent = ({ error }: RedriveResult) => error === undefined;

// Of what is accepted nobody knows the verdict yet: it is open still, and would be sent once more.
const isSettled = ({ outcome }: RedriveResult) => outcome !== undefined && outcome !== 'accepted';

const nothingToDo = new Set(['ALREADY_REDRIVEN', 'ERASED']);

const hasFailed = ({ error, outcome }: RedriveResult) =>
  outcome === 'dead_lettered' || (error !== undefined && !nothingToDo.has(error.code));

function resultLine(dryRun: boolean) {
  return ({ position, outcome, redrivenPosition, error }: RedriveResult): string => {
    const what = outcome ?? (dryRun && error === undefined ? 'would be sent' : 'not sent');
    const as = redrivenPosition === undefined ? '' : ` as ${redrivenPosition}`;
    return printable(`${position} ${what}${as}${error === undefined ? '' : `: ${error.code}, ${error.message}`}`);
  };
}

/** As `POST /dead-letters/redrive` has it. */
function resultJson({ position, outcome, redrivenPosition, error }: RedriveResult): string {
  const code = outcome === 'dead_lettered' ? error?.code : error?.code.toLowerCase();
  return JSON.stringify({
    id: String(position),
    outcome: outcome ?? null,
    redriven_as: idOrNull(redrivenPosition),
    error: error === undefined ? null : { code, message: error.message },
  });
}
