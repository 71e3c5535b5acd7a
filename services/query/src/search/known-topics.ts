import type { TopicFilter } from '../filter/topic-filter.js';
import type { Statements } from '../sql/database.js';
import { bindings } from './bindings.js';
import { patternPrefix, patternRegex } from './topic-pattern.js';

/**
 * The topics that a filter means, at most `limit` of them. An event is stored and its topic counted in one transaction,
 * so whatever is committed by now has its topic here.
 */
export async function knownTopics(
  database: Statements,
  topics: TopicFilter | undefined,
  limit: number,
): Promise<readonly string[]> {
  if (topics?.kind === 'exact') return [topics.topic];
  const { bind, values } = bindings();
  const conditions: string[] = [];
  if (topics !== undefined) {
    const prefix = patternPrefix(topics);
    // The character after the dot ends the range of what begins with the prefix.
    if (prefix !== '') {
      conditions.push(`topic >= ${bind(prefix)}`, `topic < ${bind(`${prefix.slice(0, -1)}/`)}`);
    }
    conditions.push(`topic ~ ${bind(patternRegex(topics))}`);
  }
  const rows = await database.query<{ readonly topic: string }>(
    `select topic from topic_counters ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
     group by topic order by topic limit ${limit}`,
    values,
  );
  return rows.map(({ topic }) => topic);
}
