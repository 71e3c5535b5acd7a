import type { TailFrom } from '@eventsieve/client';
import { type CommandContext, UsageError } from '../command.js';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { type FlagReader, whole } from '../flags.js';
import { eventJson } from '../output/event-json.js';
import { eventLines } from '../output/event-line.js';
import { readTailFilter, tailFilterFlags, timeOf, timesHelp } from '../reading/filter-flags.js';
import { type Following, follow } from '../reading/follow.js';

export const tail = defineCommand({
  name: 'tail',
  summary: 'follow the stored events as they come',
  about: `Each once, in order, without a gap, also when a server is started again meanwhile. Ctrl-C ends it and says on stderr
with which --from it goes on. On a terminal a line each, cut to its width; piped with tabs between time, topic, id,
source and payload. --json: a line each in the form of GET /events, no digit of a number lost.
${timesHelp}`,
  flags: [
    {
      name: 'from',
      value: 'place',
      fallback: 'now',
      meaning: 'now, start (the first that is kept), a time of receipt, or a cursor',
    },
    ...tailFilterFlags,
    { name: 'limit', value: 'n', meaning: 'ends after so many' },
    jsonFlag,
    ...connectionFlags,
  ],
  examples: [
    'eventsieve tail',
    "eventsieve tail --topic 'orders.>' --from 15m",
    'eventsieve tail --from start --json | jq .payload',
  ],
  run(given, context) {
    const limit = whole(given.given('limit'), Number.POSITIVE_INFINITY, 1, 1_000_000_000);
    const options = { ...readTailFilter(given), from: readFrom(given), signal: context.interrupted };
    return withClient(given, context, async (client) => {
      const watch = {
        broken: ({ code, message }: Error & { code: string }) => context.complain(`${code}: ${message}; trying again`),
        back: () => context.complain('connected again'),
      };
      const events = follow(client, options, watch);
      try {
        await show(events, limit, given, context);
      } finally {
        if (events.cursor !== undefined) context.complain(`go on with: --from ${events.cursor}`);
      }
      return exitCodes.done;
    });
  },
});

async function show(events: Following, limit: number, given: FlagReader, context: CommandContext): Promise<void> {
  const line = given.isOn('json') ? eventJson : eventLines(context);
  let shown = 0;
  for await (const event of events) {
    context.say(line(event));
    if (++shown === limit) return;
    await context.ready();
  }
}

function readFrom(given: FlagReader): TailFrom {
  const text = given.text('from') ?? 'now';
  if (text === 'now' || text === 'start') return text;
  const time = timeOf(text);
  if (time !== undefined) return time;
  if (/^[\w-]{8,}$/.test(text)) return { cursor: text };
  throw new UsageError(
    `--from is "${text}", but must be now, start, a time such as 2024-05-01T12:00:00Z or 15m, or a cursor.`,
  );
}
