import { AckPolicy, type ConsumerConfig, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream';

/** What makes a consumer hand out everything, whole and for as long as it takes. */
export const neverGivesUp = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  max_deliver: -1,
} as const;

/**
 * Says what somebody has changed so that the consumer may leave messages out, and its ack floor run past messages that
 * nobody has stored. Old servers ignore what they do not know, so what they echo is asked, not what was sent.
 */
export function whyUnsound(config: ConsumerConfig): string | undefined {
  for (const [key, wanted] of Object.entries(neverGivesUp)) {
    const actual = config[key as keyof typeof neverGivesUp];
    if (actual !== wanted) return `the consumer has ${key} ${actual}`;
  }
  if (config.filter_subject || config.filter_subjects?.length) return 'the consumer filters by subject';
  if (config.backoff?.length) return 'the consumer has a backoff';
  if (config.max_bytes) return 'the consumer bounds the bytes of a request';
  if (config.max_expires) return 'the consumer bounds how long a request may wait';
  if (config.headers_only) return 'the consumer hands out headers only';
  return undefined;
}
