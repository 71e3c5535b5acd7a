import { EventsieveError, type IdField, idFrom } from '@eventsieve/client';
import { UsageError } from '../command.js';
import { decodeString, readMembers } from './json-members.js';
import {
  type Defaults,
  type IdFields,
  missing,
  type ReadRecord,
  type RecordFault,
  type RecordReader,
} from './read-record.js';

const texts = ['topic', 'event_id', 'timestamp', 'source'] as const;
type Text = (typeof texts)[number];
const isText = (key: string): key is Text => (texts as readonly string[]).includes(key);
/** What an export adds to an event. */
const ignored = new Set(['id', 'received_at']);

/** Records in the shape of `GET /events`. The payload stays the text that it is. */
export function jsonRecordReader(defaults: Defaults): RecordReader {
  for (const field of defaults.idFrom) {
    if (field !== 'topic' && field !== 'source' && field !== 'timestamp' && !/^payload\../.test(field)) {
      throw new UsageError(`--id-from names "${field}", but must name topic, source, timestamp or payload.<name>.`);
    }
  }
  return (text, record) => readJsonRecord(text, record, defaults);
}

function readJsonRecord(text: string, record: number, defaults: Defaults): ReadRecord {
  const members = readMembers(text);
  if (members === undefined) return [{ field: '', message: notAnObject(text) }];
  const faults: RecordFault[] = [];
  const given: Partial<Record<Text, string>> = {};
  let payloadJson: string | undefined;
  const seen = new Set<string>();
  for (const { key, source } of members) {
    if (seen.has(key)) faults.push({ field: key, message: 'is a duplicate key' });
    seen.add(key);
    if (key === 'payload') payloadJson = source;
    else if (isText(key)) {
      const value = decodeString(source);
      if (value === undefined) faults.push({ field: key, message: 'must be a string' });
      else given[key] = value;
    } else if (!ignored.has(key)) faults.push({ field: key, message: 'is an unknown field' });
  }
  const { topic = defaults.topic, source = defaults.source, timestamp } = given;
  if (topic === undefined && !seen.has('topic')) faults.push(missing('topic', '--topic'));
  if (source === undefined && !seen.has('source')) faults.push(missing('source', '--source'));
  if (faults.length > 0 || topic === undefined || source === undefined) return faults;
  const eventId =
    given.event_id ??
    makeId(text, record, defaults.idFrom, (name) => valueAt(name, { ...given, topic, source }, payloadJson));
  if (typeof eventId !== 'string') return [eventId];
  return {
    topic,
    eventId,
    source,
    ...(timestamp === undefined ? {} : { timestamp }),
    payloadJson: payloadJson ?? '{}',
  };
}

/** The same for the same record at the same place, so that publishing a file again repeats its events. */
export function makeId(
  text: string,
  record: number,
  names: readonly string[],
  findValue: (name: string) => IdField | undefined,
): string | RecordFault {
  try {
    if (names.length === 0) return idFrom(text, record);
    const values: IdField[] = [];
    for (const name of names) {
      const value = findValue(name);
      if (value === undefined) return { field: name, message: 'is missing, and --id-from names it' };
      values.push(value);
    }
    return idFrom(...(values as unknown as IdFields));
  } catch (error) {
    if (error instanceof EventsieveError) return { field: 'event_id', message: 'cannot be made: half a character' };
    throw error;
  }
}

function valueAt(
  name: string,
  given: Partial<Record<string, string>>,
  payloadJson: string | undefined,
): IdField | undefined {
  if (!name.startsWith('payload.')) return given[name];
  let source: string | undefined = payloadJson;
  for (const step of name.split('.').slice(1)) {
    const members = source === undefined ? undefined : readMembers(source);
    source = members?.findLast(({ key }) => key === step)?.source;
  }
  return source === undefined ? undefined : fieldOf(source);
}

/** As the client's own values would be: an id made elsewhere by idFrom of the same fields is the same. */
function fieldOf(source: string): IdField {
  if (source === 'null') return null;
  if (source === 'true' || source === 'false') return source === 'true';
  const number = Number(source);
  // Of a number that a double cannot hold every digit counts.
  if (/^[-\d]/.test(source)) return String(number) === source ? number : source;
  return decodeString(source) ?? source;
}

function notAnObject(text: string): string {
  try {
    JSON.parse(text);
    return 'must be a JSON object';
  } catch (error) {
    // Node's sentence may have the text in it.
    const [, what = 'it breaks off'] = /^(.*?)(?: in JSON|,? "|$)/.exec((error as Error).message) ?? [];
    return `is not valid JSON: ${what}`;
  }
}
