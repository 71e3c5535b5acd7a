import type { BrokerNames } from '@eventsieve/contract/names';
import type { DuplicateLog } from '@eventsieve/runtime/duplicate-log';
import type { Admission } from './admission.js';
import type { EventLimits } from './config.js';
import type { GatewayMetrics } from './metrics.js';
import type { Publisher } from './publisher.js';
import type { VerdictDesk } from './verdict-desk.js';
import type { WaitingRoom } from './waiting-room.js';

/** What publishing needs. */
export interface Gateway {
  readonly names: BrokerNames;
  readonly limits: EventLimits;
  readonly storedTimeoutMs: number;
  /** How long a stream waits for room. */
  readonly roomTimeoutMs: number;
  readonly admission: Admission;
  readonly waitingRoom: WaitingRoom;
  readonly publisher: Publisher;
  readonly desk: VerdictDesk;
  readonly duplicates: DuplicateLog;
  readonly metrics: GatewayMetrics;
  /** Whether the broker is there. */
  connected(): boolean;
  /** The largest message that the broker takes. */
  maxMessageBytes(): number;
  /** Makes the stream where it is missing. */
  ensureStream(): Promise<void>;
}
