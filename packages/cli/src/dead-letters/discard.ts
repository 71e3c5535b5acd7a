import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { timesHelp } from '../reading/filter-flags.js';
import { choiceFlags, choicePositionals, readChoice } from './choose-letters.js';
import { settleAll } from './settle-all.js';

export const discard = defineCommand({
  name: 'dead-letters discard',
  summary: 'give them up',
  about: `They can still be read, and redriven by id. A line each: its id.
${timesHelp}`,
  positionals: choicePositionals,
  flags: [...choiceFlags, jsonFlag, ...connectionFlags],
  examples: ['eventsieve dead-letters discard 1042', 'eventsieve dead-letters discard --topic test --dry-run'],
  run(given, context) {
    const chosen = readChoice(given);
    const { choice, dryRun } = chosen;
    const state = dryRun ? 'open' : 'discarded';
    return withClient(given, context, async (client) => {
      let discarded = 0;
      const settle = async (limit: number) => {
        const options = { ...(Array.isArray(choice) ? {} : { limit }), dryRun, signal: context.interrupted };
        const answer = await client.deadLetters.discard(choice, options);
        return { ...answer, done: answer.positions.length };
      };
      const left = await settleAll(chosen, settle, ({ positions }) => {
        discarded += positions.length;
        for (const position of positions) {
          const id = String(position);
          context.say(
            given.isOn('json') ? JSON.stringify({ id, state }) : `${id} ${dryRun ? 'would be discarded' : state}`,
          );
        }
      });
      context.complain(dryRun ? `nothing was discarded, ${left} more match` : `${discarded} discarded, ${left} left`);
      return exitCodes.done;
    });
  },
});
