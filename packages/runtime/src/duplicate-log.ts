import type { Logger } from './logger.js';

export interface DuplicateLine {
  readonly topic: string;
  readonly eventId: string;
  readonly source: string;
  readonly conflict: boolean;
  /** Who recognised it. */
  readonly by: 'broker' | 'store';
  /** Of the call that brought it, when that named a trace. */
  readonly traceparent?: string | undefined;
}

export interface DuplicateLog {
  /** `describe` is only called for a line that is written. */
  add(describe: () => DuplicateLine): void;
  stop(): void;
}

/** Each duplicate at WARN, at most so many lines a second, and then a line that counts what was left out. */
export function createDuplicateLog(logger: Logger, maxLinesPerSecond: number): DuplicateLog {
  let written = 0;
  let leftOut = 0;
  const tick = setInterval(() => {
    if (leftOut > 0) logger.warn({ left_out: leftOut }, `${leftOut} more duplicates in this second`);
    written = 0;
    leftOut = 0;
  }, 1000).unref();

  return {
    add(describe) {
      if (written >= maxLinesPerSecond) {
        leftOut++;
        return;
      }
      written++;
      const { topic, eventId, source, conflict, by, traceparent } = describe();
      logger.warn(
        { topic, event_id: eventId, source, by, ...(traceparent && { traceparent }) },
        conflict ? 'duplicate dropped, and it differs from the stored event' : 'duplicate dropped',
      );
    },
    stop: () => clearInterval(tick),
  };
}
