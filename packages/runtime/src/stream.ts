import type { BrokerNames } from '@eventsieve/contract/names';
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { Settings } from './settings.js';

const streamNotFound = 10059;
const nanosPerMs = 1_000_000;

export interface StreamLimits {
  readonly maxBytes: number;
  /** 0 means no limit. */
  readonly maxMessages: number;
  readonly dedupWindowMs: number;
  readonly replicas: number;
}

export function readStreamLimits(settings: Settings): StreamLimits {
  return {
    maxBytes: settings.bytes('STREAM_MAX_BYTES', 4 * 1024 ** 3, { min: 1024 ** 2 }),
    maxMessages: settings.integer('QUEUE_MAX_SIZE', 0),
    dedupWindowMs: settings.durationMs('DEDUP_WINDOW', 120_000, { min: 100, max: 365 * 86_400_000 }),
    replicas: settings.integer('STREAM_REPLICAS', 1, { min: 1, max: 5 }),
  };
}

/** The stream's state, and whether this call made it. Limits of an existing stream follow the settings. */
export async function ensureStream(
  jsm: JetStreamManager,
  names: BrokerNames,
  limits: StreamLimits,
): Promise<StreamInfo> {
  const wanted = {
    name: names.stream,
    subjects: [...names.streamSubjects],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    duplicate_window: limits.dedupWindowMs * nanosPerMs,
    max_bytes: limits.maxBytes,
    max_msgs: limits.maxMessages === 0 ? -1 : limits.maxMessages,
    num_replicas: limits.replicas,
  } satisfies Partial<StreamConfig>;

  let info = await streamInfo(jsm, names);
  if (info === undefined) {
    info = await jsm.streams.add(wanted);
  } else if (
    info.config.duplicate_window !== wanted.duplicate_window ||
    info.config.max_bytes !== wanted.max_bytes ||
    info.config.max_msgs !== wanted.max_msgs ||
    !wanted.subjects.every((subject) => info?.config.subjects.includes(subject))
  ) {
    const { duplicate_window, max_bytes, max_msgs, subjects } = wanted;
    info = await jsm.streams.update(names.stream, { duplicate_window, max_bytes, max_msgs, subjects });
  }
  refuseForeign(info);
  return info;
}

export async function streamInfo(jsm: JetStreamManager, names: BrokerNames): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(names.stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === streamNotFound) return undefined;
    throw error;
  }
}

// Old servers ignore options they do not know, and somebody may have made a stream of this name by hand: the promises
// hold only on what the server says it does.
function refuseForeign({ config }: StreamInfo): void {
  const expected = { retention: RetentionPolicy.Workqueue, storage: StorageType.File, discard: DiscardPolicy.New };
  for (const [key, value] of Object.entries(expected)) {
    const actual = config[key as keyof typeof expected];
    if (actual !== value) {
      throw new Error(`stream ${config.name} has ${key} "${actual}", but eventsieve needs "${value}"`);
    }
  }
}
