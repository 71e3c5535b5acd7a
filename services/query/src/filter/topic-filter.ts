/** Which topics are wanted: one, or those that fit a pattern. */
export type TopicFilter =
  | { readonly kind: 'exact'; readonly topic: string }
  | { readonly kind: 'pattern'; readonly text: string; readonly segments: readonly string[]; readonly open: boolean };

/** A pattern only if a whole dotted segment is "*" or the last is ">"; anything else is a topic as it stands. */
export function topicFilterOf(text: string): TopicFilter {
  const segments = text.split('.');
  const open = segments.length > 1 && segments.at(-1) === '>';
  if (text === '>') return { kind: 'pattern', text, segments: [], open: true };
  if (!open && !segments.includes('*')) return { kind: 'exact', topic: text };
  return { kind: 'pattern', text, segments: open ? segments.slice(0, -1) : segments, open };
}

export function matchesTopic(filter: TopicFilter, topic: string): boolean {
  if (filter.kind === 'exact') return filter.topic === topic;
  const given = topic.split('.');
  const { segments, open } = filter;
  if (open ? given.length <= segments.length : given.length !== segments.length) return false;
  return segments.every((segment, index) => segment === '*' || segment === given[index]);
}
