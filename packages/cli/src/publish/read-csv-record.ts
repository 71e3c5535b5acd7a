import type { IdField } from '@eventsieve/client';
import { UsageError } from '../command.js';
import { makeId } from './read-json-record.js';
import { type Defaults, missing, type ReadRecord, type RecordFault, type RecordReader } from './read-record.js';
import { readCells } from './split-csv.js';

/** `--map column=field`. */
export interface Mapping {
  readonly column: string;
  readonly field: string;
  readonly kind: 'string' | 'number' | 'json';
}

export interface CsvReader {
  readonly read: RecordReader;
  /** Columns that go nowhere. */
  readonly leftOut: readonly string[];
}

const fields = ['topic', 'event_id', 'timestamp', 'source', 'payload'] as const;
const isField = (name: string) => (fields as readonly string[]).includes(name) || /^payload\../.test(name);

interface Column extends Mapping {
  readonly index: number;
}

/** Columns with the name of a field are that field; the others are what --map says, or nothing. */
export function csvRecordReader(header: string, mappings: readonly Mapping[], defaults: Defaults): CsvReader {
  const names = readCells(header);
  if (typeof names === 'string') throw new UsageError(`The header ${names}.`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`The header has the column "${twice}" twice.`);
  const strange = mappings.find(({ column }) => !names.includes(column));
  if (strange !== undefined) throw new UsageError(`--map names the column "${strange.column}", but there is none.`);
  const columns = names.flatMap((name, index): Column[] => {
    const mapped = mappings.filter(({ column }) => column === name);
    if (mapped.length > 0) return mapped.map((each) => ({ ...each, index }));
    const kind = name === 'payload' ? 'json' : 'string';
    return isField(name) ? [{ column: name, field: name, kind, index }] : [];
  });
  checkColumns(columns, names, defaults);
  const leftOut = names.filter((name) => !columns.some(({ column }) => column === name));
  return { read: (text, record) => readRow(text, record, names, columns, defaults), leftOut };
}

function checkColumns(columns: readonly Column[], names: readonly string[], defaults: Defaults): void {
  const has = (field: string) => columns.some((column) => column.field === field);
  const filled = columns.find(({ field }, index) => columns.findIndex((other) => other.field === field) !== index);
  if (filled !== undefined) throw new UsageError(`Two columns are to be ${filled.field}.`);
  if (has('payload') && columns.some(({ field }) => field.startsWith('payload.'))) {
    throw new UsageError('Columns are to be both payload and a part of it.');
  }
  for (const field of ['topic', 'source'] as const) {
    if (!has(field) && defaults[field] === undefined) {
      throw new UsageError(`No column is ${field}: name one (--map <column>=${field}), or give --${field}.`);
    }
  }
  const unknown = defaults.idFrom.find((name) => !has(name) && !names.includes(name));
  if (unknown !== undefined) throw new UsageError(`--id-from names "${unknown}", but there is no such column.`);
}

function readRow(
  text: string,
  record: number,
  names: readonly string[],
  columns: readonly Column[],
  defaults: Defaults,
): ReadRecord {
  const cells = readCells(text);
  if (typeof cells === 'string') return [{ field: '', message: cells }];
  if (cells.length !== names.length) {
    return [{ field: '', message: `has ${cells.length} cells, but the header has ${names.length}` }];
  }
  const faults: RecordFault[] = [];
  const given: Partial<Record<string, string>> = {};
  const members: string[] = [];
  for (const { field, index, kind } of columns) {
    const cell = cells[index] as string;
    if (cell === '') continue;
    if (!field.startsWith('payload.')) given[field] = cell;
    else if (kind === 'number' && !jsonNumber.test(cell)) faults.push({ field, message: 'is not a number' });
    else if (kind === 'json' && !isJson(cell)) faults.push({ field, message: 'is not valid JSON' });
    else members.push(`${JSON.stringify(field.slice(8))}:${kind === 'string' ? JSON.stringify(cell) : cell}`);
  }
  const { topic = defaults.topic, source = defaults.source, timestamp, payload } = given;
  if (topic === undefined) faults.push(missing('topic', '--topic'));
  if (source === undefined) faults.push(missing('source', '--source'));
  if (faults.length > 0 || topic === undefined || source === undefined) return faults;
  const findValue = (name: string): IdField | undefined => {
    const index = columns.find(({ field }) => field === name)?.index ?? names.indexOf(name);
    return cells[index] || (name === 'topic' ? topic : name === 'source' ? source : undefined);
  };
  const eventId = given.event_id ?? makeId(text, record, defaults.idFrom, findValue);
  if (typeof eventId !== 'string') return [eventId];
  return {
    topic,
    eventId,
    source,
    ...(timestamp === undefined ? {} : { timestamp }),
    payloadJson: payload ?? `{${members.join(',')}}`,
  };
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
