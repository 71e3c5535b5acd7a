import type { IdField, NewEvent } from '@eventsieve/client';

/** What is wrong with a record. The field has its name in JSON; none: the record as a whole. */
export interface RecordFault {
  readonly field: string;
  readonly message: string;
}

export type ReadRecord = NewEvent | readonly RecordFault[];

/** Makes an event of a record. */
export type RecordReader = (text: string, record: number) => ReadRecord;

/** What a record that does not say it itself is given. */
export interface Defaults {
  readonly topic: string | undefined;
  readonly source: string | undefined;
  /** Of which fields an id is made. Empty: of the record's own text and its place. */
  readonly idFrom: readonly string[];
}

export function isFaulty(read: ReadRecord): read is readonly RecordFault[] {
  return Array.isArray(read);
}

export function missing(field: string, flag?: string): RecordFault {
  return { field, message: flag === undefined ? 'is missing' : `is missing, and there is no ${flag}` };
}

export type IdFields = readonly [IdField, ...IdField[]];
