import { settledCountsJson } from '../output/counts-json.js';
import { tableLines } from '../output/fields.js';
import { printable } from '../output/text-width.js';
import { countNames, countRow, settledCountNames, settledCountRow } from './count-columns.js';
import type { Look, Row } from './look.js';

/** A table for people; with the look before it also what came in between, by the second. */
export function lookTable(now: Look, before?: Look): string[] {
  const rates = ratesBetween(now, before);
  const table = now.kind === 'totals' ? totalsTable(now, rates) : groupsTable(now, rates);
  return [...table, ...now.notes.map(printable)];
}

/** A line for each count: it fits every terminal. */
function totalsTable({ rows }: Look, rates: Rates | undefined): string[] {
  const values = rows.map(({ counts }) => ('inFlight' in counts ? countRow(counts) : settledCountRow(counts)));
  const perSecond = new Map([
    ['received', rates?.received],
    ['duplicates', rates?.duplicates],
  ]);
  const lines = countNames.map((name, index) => [
    name,
    ...values.map((row) => row[index] ?? ''),
    ...(rates === undefined ? [] : [perSecond.get(name)?.('lifetime') ?? '']),
  ]);
  return tableLines(['', ...rows.map(({ name }) => name), ...(rates === undefined ? [] : ['per second'])], lines);
}

/** A line for each topic or source: what matters least comes last, where a narrow terminal cuts. */
function groupsTable({ rows }: Look, rates: Rates | undefined): string[] {
  if (rows.length === 0) return [];
  const rateNames = rates === undefined ? [] : ['received/s', 'duplicates/s'];
  const lines = rows.map(({ name, counts }) => [
    name,
    ...(rates === undefined ? [] : [rates.received(name), rates.duplicates(name)]),
    ...settledCountRow(counts),
  ]);
  return tableLines(['', ...rateNames, ...settledCountNames], lines);
}

/** A line for each row that is counted, in a form that is read with ease by people and programs. */
export function lookLines(now: Look, before?: Look): string[] {
  const rates = ratesBetween(now, before);
  const areTotals = now.kind === 'totals';
  // The counts of the whole life are those since a reset, or more of the same.
  return (areTotals ? now.rows.slice(0, 1) : now.rows).map(({ name, counts }) => {
    const pairs = {
      ...(areTotals ? {} : { name: JSON.stringify(name) }),
      ...settledCountsJson(counts),
      ...('inFlight' in counts ? { in_flight: counts.inFlight } : {}),
      received_per_second: rates?.received(areTotals ? 'lifetime' : name) ?? 0,
    };
    const texts = Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
    return printable([now.time.toISOString(), ...texts].join(' '));
  });
}

export function lookJson(now: Look): string {
  return JSON.stringify({ time: now.time.toISOString(), ...now.json });
}

type Rates = Readonly<Record<'received' | 'duplicates', (name: string) => number>>;

function ratesBetween(now: Look, before: Look | undefined): Rates | undefined {
  if (before === undefined) return undefined;
  const seconds = Math.max(0.001, (now.time.getTime() - before.time.getTime()) / 1000);
  const index = ({ rows }: Look) => new Map(rows.map((row) => [row.name, row]));
  const [newer, older] = [index(now), index(before)];
  // A reset in between makes less of the counts.
  const rate = (of: (row: Row) => number) => (name: string) => {
    const [one, other] = [newer.get(name), older.get(name)];
    const more = one === undefined ? 0 : of(one) - (other === undefined ? 0 : of(other));
    return Math.round(Math.max(0, more / seconds) * 10) / 10;
  };
  return {
    received: rate(({ counts }) => counts.received),
    duplicates: rate(({ counts }) => counts.duplicateDropped),
  };
}
