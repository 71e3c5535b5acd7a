import { openGrpcTarget } from './grpc-target.js';
import { openHttpTarget } from './http-target.js';
import type { Target } from './target.js';

/** An http URL is the bridge, anything else is a gateway's address. */
export function openTarget(target: string, wait: 'broker' | 'stored', source: string): Target {
  return /^https?:\/\//i.test(target) ? openHttpTarget(target, wait, source) : openGrpcTarget(target, wait, source);
}
