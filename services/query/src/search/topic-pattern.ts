import type { TopicFilter } from '../filter/topic-filter.js';

type TopicPattern = Extract<TopicFilter, { kind: 'pattern' }>;

/** The pattern as Postgres' regular expressions have it. Any character but a dot is part of a segment, a line break too. */
export function patternRegex({ segments, open }: TopicPattern): string {
  const parts = segments.map((segment) => (segment === '*' ? '[^.]*' : segment.replace(/[^\p{L}\p{N}]/gu, '\\$&')));
  if (!open) return `^${parts.join('\\.')}$`;
  return segments.length === 0 ? '' : `^${parts.join('\\.')}\\.`;
}

/** What every topic of the pattern begins with: whole segments and their dots. */
export function patternPrefix({ segments }: TopicPattern): string {
  const wild = segments.indexOf('*');
  return (wild < 0 ? segments : segments.slice(0, wild)).map((segment) => `${segment}.`).join('');
}
