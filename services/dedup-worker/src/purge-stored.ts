import type { BrokerNames } from '@eventsieve/contract/names';
import type { Logger } from '@eventsieve/runtime/logger';
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { Epoch } from './sql/epochs.js';

export interface PurgeDeps {
  readonly jsm: JetStreamManager;
  readonly names: BrokerNames;
  readonly epoch: Epoch;
  readonly logger: Logger;
}

// What was read longer ago may be of another stream than the one that this would purge: this process may have been
// stopped, or the broker exchanged. Nothing is lost by leaving it to the next look.
const freshMs = 250;

/** A killed broker brings acked messages back; they are stored, and would fill the stream for good. True if there were any. */
export async function purgeStored(
  { jsm, names, epoch, logger }: PurgeDeps,
  watermark: bigint,
  stream: StreamInfo,
  readAtMs: number,
): Promise<boolean> {
  const keepFrom = Number(watermark - epoch.base) + 1;
  if (stream.created !== epoch.streamCreated || performance.now() - readAtMs > freshMs) return false;
  if (stream.state.messages === 0 || stream.state.first_seq >= keepFrom || keepFrom < 2) return false;
  const { purged } = await jsm.streams.purge(names.stream, { seq: keepFrom });
  if (purged > 0) logger.warn({ purged }, 'purged messages that the broker had brought back and that are stored');
  return purged > 0;
}
