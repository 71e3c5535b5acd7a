import type { Client, Counts, SettledCounts, Stats } from '@eventsieve/client';
import { countsJson, settledCountsJson } from '../output/counts-json.js';

export interface Row {
  readonly name: string;
  readonly counts: SettledCounts | Counts;
}

/** What was counted at one moment. */
export interface Look {
  readonly kind: 'totals' | 'groups';
  readonly time: Date;
  readonly rows: readonly Row[];
  /** What else there is to say. */
  readonly notes: readonly string[];
  /** As the HTTP door has it. */
  readonly json: object;
}

export interface LookOptions {
  readonly by: 'topic' | 'source' | undefined;
  readonly topic: string | undefined;
  readonly signal: AbortSignal;
  /** Whether a server that is away is waited for. */
  readonly retry: boolean;
}

export async function lookAt(client: Client, { by, topic, signal, retry }: LookOptions): Promise<Look> {
  if (by === undefined) return lookOf(await client.stats({ signal }));
  const rows: Row[] = [];
  for await (const { name, ...counts } of client.statsBy(by, { topic, signal, retry })) rows.push({ name, counts });
  const groups = rows.map(({ name, counts }) => ({ [by]: name, ...groupJson(by, counts) }));
  const json = { ...(topic === undefined ? {} : { topic }), count: rows.length, [`${by}s`]: groups, next_cursor: null };
  return { kind: 'groups', time: new Date(), rows, notes: rows.length === 0 ? ['nothing is counted yet'] : [], json };
}

function lookOf(stats: Stats): Look {
  const { lifetime, queueSize, topics, uptimeSeconds, since } = stats;
  const up = humanDuration(uptimeSeconds);
  return {
    kind: 'totals',
    time: new Date(),
    rows: [
      { name: 'counted', counts: stats },
      { name: 'lifetime', counts: lifetime },
    ],
    notes: [
      `counted since ${since}, up ${up}, ${queueSize} messages wait to be stored`,
      `${topics.length} topics${topics.length === 0 ? '' : `: ${topics.join(', ')}`}`,
    ],
    json: {
      ...countsJson(stats),
      queue_size: queueSize,
      topics,
      uptime: uptimeSeconds,
      uptime_seconds: uptimeSeconds,
      uptime_human: up,
      since,
      lifetime: countsJson(lifetime),
    },
  };
}

function groupJson(by: 'topic' | 'source', counts: SettledCounts) {
  const { dead_lettered, redriven, ...rest } = settledCountsJson(counts);
  // Dead letters have no source that could be trusted.
  return by === 'source' ? rest : { ...rest, dead_lettered, redriven };
}

function humanDuration(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m ${whole % 60}s`;
}
