import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { eventJson } from '../output/event-json.js';
import { eventLines } from '../output/event-line.js';
import { amountFlags, readAmount } from '../reading/amount.js';
import { filterFlags, readFilter, timesHelp } from '../reading/filter-flags.js';
import { readPages } from '../reading/read-pages.js';

export const events = defineCommand({
  name: 'events',
  summary: 'list stored events',
  about: `In the order in which they were received. On a terminal a line each, cut to its width; piped with tabs between time,
topic, id, source and payload. --json: a line each in the form of GET /events, no digit of a number lost. When there
are more, the cursor to go on from is said on stderr.
${timesHelp}`,
  flags: [
    ...filterFlags,
    { name: 'order', choices: ['asc', 'desc'], fallback: 'asc', meaning: 'desc: the newest first' },
    ...amountFlags,
    { name: 'cursor', value: 'cursor', meaning: 'goes on where another list ended' },
    jsonFlag,
    ...connectionFlags,
  ],
  examples: [
    'eventsieve events --topic orders --order desc --limit 10',
    "eventsieve events --topic 'shop.*.paid' --received-from 1h",
    `eventsieve events --payload '{"user":"u-1"}' --all --json > events.ndjson`,
  ],
  run(given, context) {
    const wanted = readAmount(given);
    const options = {
      ...readFilter(given),
      order: given.choice<'asc' | 'desc'>('order'),
      cursor: given.text('cursor'),
      signal: context.interrupted,
    };
    const show = given.isOn('json') ? eventJson : eventLines(context);
    return withClient(given, context, async (client) => {
      let next: string | undefined;
      try {
        for await (const page of readPages(client, options, wanted)) {
          for (const event of page.events) context.say(show(event));
          next = page.nextCursor;
          await context.ready();
        }
      } finally {
        if (next !== undefined) context.complain(`there are more: --cursor ${next}`);
      }
      return exitCodes.done;
    });
  },
});
