import { settledCountsJson } from '../output/counts-json.js';
import { tableLines } from '../output/fields.js';
import { printable } from '../output/text-width.js';
import { countNames, settledCountNames, settledCountRow } from './count-columns.js';
import type { Look, Row } from './look.js';

/** A table for people; with the look before it also what came in between, by the second. */
export function lookTable(now: Look, before?: Look): string[] {
  const hasInFlight = now.rows.some(({ counts }) => 'inFlight' in counts);
  const names = ['', ...(hasInFlight ? countNames : settledCountNames)];
  const rates = ratesBetween(now, before);
  const rows = now.rows.map(({ name, counts }) => [
    name,
    ...settledCountRow(counts),
    ...('inFlight' in counts ? [counts.inFlight] : []),
    ...(rates === undefined ? [] : [rates.received(name), rates.duplicates(name)]),
  ]);
  const rateNames = rates === undefined ? [] : ['received/s', 'duplicates/s'];
  return [...(rows.length === 0 ? [] : tableLines([...names, ...rateNames], rows)), ...now.notes.map(printable)];
}

/** A line for each row that is counted, in a form that is read with ease by people and programs. */
export function lookLines(now: Look, before?: Look): string[] {
  const rates = ratesBetween(now, before);
  // The counts of a life are those since a reset, or more of the same.
  return now.rows
    .filter(({ name, counts }) => !('inFlight' in counts) || name === 'counted')
    .map((row) => {
      const { counts, name } = row;
      const pairs = {
        ...('inFlight' in counts ? {} : { name: JSON.stringify(name) }),
        ...settledCountsJson(counts),
        ...('inFlight' in counts ? { in_flight: counts.inFlight } : {}),
        received_per_second: rates?.received(name) ?? 0,
      };
      const texts = Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
      return printable([now.time.toISOString(), ...texts].join(' '));
    });
}

export function lookJson(now: Look): string {
  return JSON.stringify({ time: now.time.toISOString(), ...now.json });
}

function ratesBetween(now: Look, before: Look | undefined) {
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
