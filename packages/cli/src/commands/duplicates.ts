import type { Conflict, ConflictSide, Duplicates } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { whole } from '../flags.js';
import { percent } from '../output/counts-json.js';
import { durationText } from '../output/duration-text.js';
import { tableLines } from '../output/fields.js';
import { printable } from '../output/text-width.js';

export const duplicates = defineCommand({
  name: 'duplicates',
  summary: 'tell who repeats, how often and after how long, and show conflicts',
  about: `A conflict is a copy with the id of a stored event but another payload or source; it is shown beside what is stored,
the latest first. --json: in the form of GET /duplicates.`,
  flags: [
    { name: 'topic', value: 'topic', meaning: 'only of this topic, exactly' },
    { name: 'source', value: 'source', meaning: 'only copies from this source, exactly' },
    { name: 'limit', value: 'n', fallback: '100', meaning: 'how many sources and how many conflicts, at most 1000' },
    { name: 'cursor', value: 'cursor', meaning: 'goes on with older conflicts' },
    jsonFlag,
    ...connectionFlags,
  ],
  examples: ['eventsieve duplicates --limit 10', 'eventsieve duplicates --topic orders --json | jq .window'],
  run(given, context) {
    const asked = { topic: given.text('topic'), source: given.text('source') };
    const limit = whole(given.given('limit'), 100, 1, 1_000);
    const cursor = given.text('cursor');
    return withClient(given, context, async (client) => {
      const found = await client.duplicates({ ...asked, limit, cursor, signal: context.interrupted });
      if (given.isOn('json')) context.say(duplicatesJson(found, asked));
      else {
        for (const line of duplicatesLines(found)) context.say(line);
        if (found.nextCursor !== undefined) context.complain(`there are older conflicts: --cursor ${found.nextCursor}`);
      }
      return exitCodes.done;
    });
  },
});

function duplicatesLines({ sources, gaps, window, conflicts, behind }: Duplicates): string[] {
  const names = ['source', 'topic', 'unique', 'duplicates', 'rate', 'conflicts'];
  const rows = sources.map(({ source, topic, uniqueProcessed, duplicateDropped, ...rest }) => {
    const rate = percent(duplicateDropped, uniqueProcessed + duplicateDropped);
    return [source, topic, uniqueProcessed, duplicateDropped, `${rate.toFixed(2)}%`, rest.conflicts];
  });
  const came = gaps.map(({ upToMs, duplicates: count }) => [`within ${durationText(upToMs)}`, count]);
  const advice =
    window === undefined
      ? []
      : [
          `${(window.covered * 100).toFixed(2)}% came within ${durationText(window.suggestedMs)}: what DEDUP_WINDOW may be`,
        ];
  return [
    ...(rows.length === 0 ? ['nobody repeats'] : tableLines(names, rows)),
    ...(came.length === 0 ? [] : ['', ...tableLines(['after the stored copy', 'duplicates'], came), ...advice]),
    ...(conflicts.length === 0 ? [] : ['', ...conflicts.flatMap(conflictLines)]),
    ...(behind === 0 ? [] : ['', `${behind} copies are not counted here yet`]),
  ];
}

function conflictLines({ topic, eventId, stored, refused }: Conflict): string[] {
  const lines = [`conflict: ${topic} ${eventId}`, `  stored   ${sideText(stored)}`, `  refused  ${sideText(refused)}`];
  return lines.map(printable);
}

function sideText(side: ConflictSide): string {
  const content = 'expired' in side ? '(its content is gone)' : `${side.source}  ${side.payloadJson}`;
  return `${side.receivedAt}  ${content}`;
}

type Asked = Readonly<Record<'topic' | 'source', string | undefined>>;

/** Put together as text: the payloads' own texts go in as they are. */
function duplicatesJson({ sources, gaps, window, conflicts, behind, nextCursor }: Duplicates, asked: Asked): string {
  const head = JSON.stringify({
    ...asked,
    sources: sources.map(({ source, topic, uniqueProcessed, duplicateDropped, ...rest }) => ({
      source,
      topic,
      received: uniqueProcessed + duplicateDropped,
      unique_processed: uniqueProcessed,
      duplicate_dropped: duplicateDropped,
      deduplication_rate: percent(duplicateDropped, uniqueProcessed + duplicateDropped),
      conflicts: rest.conflicts,
    })),
    gaps: gaps.map(({ upToMs, duplicates: count }) => ({ up_to_ms: upToMs, duplicates: count })),
    window: window === undefined ? null : { suggested: durationText(window.suggestedMs), covered: window.covered },
    behind,
    next_cursor: nextCursor ?? null,
  });
  return `${head.slice(0, -1)},"conflicts":[${conflicts.map(conflictJson).join(',')}]}`;
}

function conflictJson({ topic, eventId, stored, refused }: Conflict): string {
  const head = JSON.stringify({ topic, event_id: eventId });
  const status = 'expired' in stored ? 'expired' : 'stored';
  return `${head.slice(0, -1)},"stored":${sideJson(stored, { status })},"refused":${sideJson(refused)}}`;
}

/** What is gone is null. */
function sideJson(side: ConflictSide, more: Readonly<Record<string, string>> = {}): string {
  const { timestamp, source, payloadJson } =
    'expired' in side ? { timestamp: null, source: null, payloadJson: 'null' } : side;
  const head = JSON.stringify({ ...more, id: String(side.position), timestamp, source, received_at: side.receivedAt });
  return `${head.slice(0, -1)},"payload":${payloadJson}}`;
}
