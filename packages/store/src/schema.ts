import {
  bigint,
  boolean,
  customType,
  date,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
} from 'drizzle-orm/pg-core';

// The tables as queries see them. The migrations make them; a test holds the two against each other.

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'string' });
const int8 = (name: string) => bigint(name, { mode: 'bigint' });
const bytes = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

export const eventKeys = pgTable(
  'event_keys',
  {
    topic: text('topic').notNull(),
    eventId: text('event_id').notNull(),
    position: int8('position').notNull(),
    content: int8('content').notNull(),
    receivedAt: instant('received_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.topic, table.eventId] })],
);

export const events = pgTable(
  'events',
  {
    position: int8('position').notNull(),
    receivedAt: instant('received_at').notNull(),
    topic: text('topic').notNull(),
    eventId: text('event_id').notNull(),
    timestamp: instant('timestamp').notNull(),
    source: text('source').notNull(),
    payload: jsonb('payload').notNull(),
  },
  (table) => [primaryKey({ columns: [table.position, table.receivedAt] })],
);

export const refused = pgTable('refused', {
  position: int8('position').primaryKey(),
  receivedAt: instant('received_at').notNull(),
  topic: text('topic').notNull(),
  eventId: text('event_id').notNull(),
  timestamp: instant('timestamp').notNull(),
  source: text('source').notNull(),
  firstPosition: int8('first_position').notNull(),
  firstSeenAt: instant('first_seen_at').notNull(),
  conflict: boolean('conflict').notNull(),
  payload: jsonb('payload'),
});

export const tallies = pgTable('tallies', {
  position: int8('position').primaryKey(),
  receivedAt: instant('received_at').notNull(),
  copies: integer('copies').notNull(),
  groups: jsonb('groups').notNull(),
});

export const deadLetters = pgTable('dead_letters', {
  position: int8('position').primaryKey(),
  receivedAt: instant('received_at').notNull(),
  topic: text('topic').notNull().default(''),
  eventId: text('event_id').notNull().default(''),
  subject: text('subject').notNull(),
  headers: jsonb('headers').notNull().default({}),
  body: bytes('body').notNull(),
  code: text('code').notNull(),
  reason: text('reason').notNull(),
  attempts: integer('attempts').notNull(),
  deadLetteredAt: instant('dead_lettered_at').notNull().defaultNow(),
  state: text('state').notNull().default('open'),
  stateSince: instant('state_since'),
  redrivenPosition: int8('redriven_position'),
  redriveOutcome: smallint('redrive_outcome'),
  redriveOf: int8('redrive_of'),
});

export const redrives = pgTable('redrives', {
  sending: int8('sending').primaryKey().generatedAlwaysAsIdentity(),
  deadLetter: int8('dead_letter').notNull(),
  sentAt: instant('sent_at').notNull().defaultNow(),
  position: int8('position'),
});

export const replays = pgTable('replays', {
  position: int8('position').primaryKey(),
  receivedAt: instant('received_at').notNull(),
  original: int8('original').notNull(),
});

const counts = {
  uniqueCount: int8('unique_count').notNull().default(0n),
  duplicateCount: int8('duplicate_count').notNull().default(0n),
  conflictCount: int8('conflict_count').notNull().default(0n),
  deadLetterCount: int8('dead_letter_count').notNull().default(0n),
  redrivenCount: int8('redriven_count').notNull().default(0n),
};

export const topicCounters = pgTable(
  'topic_counters',
  { topic: text('topic').notNull(), shard: smallint('shard').notNull(), ...counts },
  (table) => [primaryKey({ columns: [table.topic, table.shard] })],
);

export const minuteCounters = pgTable(
  'minute_counters',
  {
    minute: instant('minute').notNull(),
    topic: text('topic').notNull(),
    shard: smallint('shard').notNull(),
    ...counts,
  },
  (table) => [primaryKey({ columns: [table.minute, table.topic, table.shard] })],
);

export const statsBaseline = pgTable('stats_baseline', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  since: instant('since').notNull(),
  received: int8('received').notNull(),
  uniqueCount: int8('unique_count').notNull(),
  duplicateCount: int8('duplicate_count').notNull(),
  conflictCount: int8('conflict_count').notNull(),
  deadLetterCount: int8('dead_letter_count').notNull(),
  redrivenCount: int8('redriven_count').notNull(),
});

export const epochs = pgTable('epochs', {
  epoch: integer('epoch').primaryKey(),
  base: int8('base').notNull(),
  streamCreated: text('stream_created').notNull(),
  replayUntil: int8('replay_until').notNull(),
  reason: text('reason').notNull(),
  openedAt: instant('opened_at').notNull().defaultNow(),
  firstFound: int8('first_found'),
  lastFound: int8('last_found'),
});

export const watermark = pgTable('watermark', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  position: int8('position').notNull().default(0n),
  known: int8('known').notNull().default(0n),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});

export const rollup = pgTable('rollup', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  position: int8('position').notNull().default(0n),
  copies: int8('copies').notNull().default(0n),
  events: integer('events').notNull().default(0),
  receivedFrom: instant('received_from'),
  receivedTo: instant('received_to'),
  happenedFrom: instant('happened_from'),
  happenedTo: instant('happened_to'),
  updatedAt: instant('updated_at').notNull().defaultNow(),
});

export const chapters = pgTable('chapters', {
  firstPosition: int8('first_position').primaryKey(),
  lastPosition: int8('last_position').notNull(),
  events: integer('events').notNull(),
  receivedFrom: instant('received_from'),
  receivedTo: instant('received_to'),
  happenedFrom: instant('happened_from'),
  happenedTo: instant('happened_to'),
});

export const sourceCounters = pgTable(
  'source_counters',
  {
    source: text('source').notNull(),
    topic: text('topic').notNull(),
    uniqueCount: int8('unique_count').notNull().default(0n),
    duplicateCount: int8('duplicate_count').notNull().default(0n),
    conflictCount: int8('conflict_count').notNull().default(0n),
  },
  (table) => [primaryKey({ columns: [table.source, table.topic] })],
);

export const gapCounters = pgTable(
  'gap_counters',
  {
    source: text('source').notNull(),
    topic: text('topic').notNull(),
    bucket: smallint('bucket').notNull(),
    duplicateCount: int8('duplicate_count').notNull().default(0n),
  },
  (table) => [primaryKey({ columns: [table.source, table.topic, table.bucket] })],
);

export const pruned = pgTable(
  'pruned',
  {
    kind: text('kind').notNull(),
    topic: text('topic').notNull().default(''),
    day: date('day').notNull(),
    rowCount: int8('row_count').notNull().default(0n),
    positionXor: int8('position_xor').notNull().default(0n),
    markXor: int8('mark_xor').notNull().default(0n),
    duplicateCount: int8('duplicate_count').notNull().default(0n),
    conflictCount: int8('conflict_count').notNull().default(0n),
    redrivenCount: int8('redriven_count').notNull().default(0n),
    lastPosition: int8('last_position').notNull().default(0n),
  },
  (table) => [primaryKey({ columns: [table.kind, table.topic, table.day] })],
);

export const leaving = pgTable('leaving', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  day: date('day').notNull(),
  rowCount: int8('row_count').notNull().default(0n),
  positionXor: int8('position_xor').notNull().default(0n),
  markXor: int8('mark_xor').notNull().default(0n),
  lastPosition: int8('last_position').notNull().default(0n),
});

export const keyWalk = pgTable('key_walk', {
  onlyRow: boolean('only_row').primaryKey().default(true),
  nextBlock: int8('next_block').notNull().default(0n),
  before: instant('before'),
});
