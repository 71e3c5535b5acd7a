import type { TopicFilter } from '../filter/topic-filter.js';

/** The pattern as Postgres' regular expressions have it. Any character but a dot is one, a line break too. */
export function patternRegex({ segments, open }: Extract<TopicFilter, { kind: 'pattern' }>): string {
  const parts = segments.map((segment) => (segment === '*' ? '[^.]*' : segment.replace(/[^\p{L}\p{N}]/gu, '\\$&')));
  if (!open) return `^${parts.join('\\.')}$`;
  return segments.length === 0 ? '' : `^${parts.join('\\.')}\\.`;
}
