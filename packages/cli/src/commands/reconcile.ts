import type { Reconciliation } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';
import { countsJson } from '../output/counts-json.js';
import { tableLines } from '../output/fields.js';
import { countNames, countRow } from '../stats/count-columns.js';

// More than the service itself gives it.
const timeoutMs = 180_000;

export const reconcile = defineCommand({
  name: 'reconcile',
  summary: 'hold the counters against the rows, and the rows against the broker',
  about: `The exit code is 1 when something does not add up; each difference is one sentence. It reads every row: where there are
many, the service needs more time for it (AUDIT_TIMEOUT), and so does --timeout.`,
  flags: [jsonFlag, ...connectionFlags.map((flag) => (flag.name === 'timeout' ? { ...flag, fallback: '3m' } : flag))],
  examples: ['eventsieve reconcile', "eventsieve reconcile --json | jq '.differences[].message'"],
  run(given, context) {
    return withClient(
      given,
      context,
      async (client) => {
        const found = await client.reconcile({ signal: context.interrupted });
        if (given.isOn('json')) context.say(reconciliationJson(found));
        else {
          const { counters, rows, watermark, lastPosition, brokerChecked } = found;
          const table = [
            ['counters', ...countRow(counters)],
            ['rows', ...countRow(rows)],
          ];
          for (const line of tableLines(['', ...countNames], table)) context.say(line);
          context.say(`committed up to ${watermark}, the broker gave out ${lastPosition}`);
          if (!brokerChecked) context.complain('The broker was not asked: it is away.');
          context.say(found.ok ? context.paint.green('ok: everything adds up') : context.paint.red('not ok'));
          for (const { message } of found.differences) context.complain(message);
        }
        return found.ok ? exitCodes.done : exitCodes.failed;
      },
      timeoutMs,
    );
  },
});

function reconciliationJson(found: Reconciliation): string {
  const { ok, differences, counters, rows, watermark, lastPosition, brokerChecked } = found;
  return JSON.stringify({
    ok,
    differences: differences.map(({ what, expected, found, positions, message }) => ({
      what,
      expected,
      found,
      positions: positions.map(String),
      message,
    })),
    counters: countsJson(counters),
    rows: countsJson(rows),
    watermark: String(watermark),
    last_position: String(lastPosition),
    broker_checked: brokerChecked,
  });
}
