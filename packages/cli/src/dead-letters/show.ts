import { isUtf8 } from 'node:buffer';
import type { WholeDeadLetter } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { fieldLines } from '../output/fields.js';
import { readId } from './choose-letters.js';
import { wholeLetterJson } from './letter-json.js';

export const show = defineCommand({
  name: 'dead-letters show',
  summary: 'show one with its bytes and headers',
  about: `--json: in the form of GET /dead-letters/{id}. The exit code is 1 when there is none with this id.`,
  positionals: [{ name: 'id', meaning: 'which one' }],
  flags: [jsonFlag, ...connectionFlags],
  examples: [
    'eventsieve dead-letters show 1042',
    'eventsieve dead-letters show 1042 --json | jq -r .body_base64 | base64 -d',
  ],
  run(given, context) {
    const id = readId(given.positional('id') ?? '');
    return withClient(given, context, async (client) => {
      const letter = await client.deadLetters.get(id, { signal: context.interrupted });
      if (letter === undefined) {
        context.complain(`There is no dead letter ${id}.`);
        return exitCodes.failed;
      }
      if (given.isOn('json')) context.say(JSON.stringify(wholeLetterJson(letter)));
      else for (const line of letterLines(letter)) context.say(line);
      return exitCodes.done;
    });
  },
});

function letterLines(letter: WholeDeadLetter): string[] {
  const { position, state, stateSince, copy, headers, body } = letter;
  const since = stateSince === undefined ? '' : ` since ${stateSince}`;
  const again = letter.redrivenPosition === undefined ? '' : `, sent again as ${letter.redrivenPosition}`;
  const outcome = letter.redriveOutcome === undefined ? '' : `: ${letter.redriveOutcome}`;
  const fields = {
    state: `${state}${since}${again}${outcome}`,
    topic: letter.topic || '-',
    'event id': letter.eventId || '-',
    source: copy?.source,
    timestamp: copy?.timestamp,
    payload: copy?.payloadText,
    code: letter.code,
    reason: letter.reason,
    attempts: letter.attempts,
    'received at': letter.receivedAt,
    'dead-lettered at': letter.deadLetteredAt,
    'sent again for': letter.redriveOf,
    subject: letter.subject,
    ...Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.join(', ')])),
    [`${letter.bodyBytes} bytes`]: bytesText(body),
  };
  return [`dead letter ${position}`, ...fieldLines(fields)];
}

const mostBytesShown = 1_024;

function bytesText(body: Uint8Array): string {
  const shown = body.subarray(0, mostBytesShown);
  const text = isUtf8(shown) ? Buffer.from(shown).toString() : Buffer.from(shown).toString('hex');
  return body.byteLength > mostBytesShown ? `${text}…` : text;
}
