/**
 * For Node itself, in front of a service. Thousands of messages wait for a commit in the worker, and for the broker's answer
 * in the gateway: each minor collection moves those that wait. With room for twice as much between two of them there are
 * 2 % more events, for some 35 MB in each. The query service would only be larger.
 */
export const nodeFlagsOf = (service: string): readonly string[] =>
  /^(gateway|dedup-worker|worker-\d+)$/.test(service) ? ['--max-semi-space-size=32'] : [];
