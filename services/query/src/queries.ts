import type { BrokerNames } from '@eventsieve/contract/names';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { LastPosition } from './last-position.js';
import type { SearchEvents } from './search/search-events.js';
import type { SendToStream } from './send-to-stream.js';
import type { Database } from './sql/database.js';

/** What the RPCs need. Both doors, gRPC and HTTP, call the same functions with it. */
export interface Queries {
  readonly database: Database;
  /** Of its own connections: an audit reads every row, and nobody waits behind it. */
  readonly auditDatabase: Database;
  readonly drizzle: NodePgDatabase;
  readonly names: BrokerNames;
  readonly searchEvents: SearchEvents;
  /** How long a list may look for events. */
  readonly searchTimeoutMs: number;
  readonly lastPosition: LastPosition;
  /** For dead letters that are sent through again. */
  readonly sendToStream: SendToStream;
  /** How long a redrive waits for what becomes of it. */
  readonly redrivePatienceMs: number;
  /** How long a question for an unknown id waits for what the broker held when it came. */
  readonly lookupPatienceMs: number;
  /** How long an erasure waits for what it erases to be settled. */
  readonly erasePatienceMs: number;
  readonly startedAtMs: number;
}
