import { openGrpcTarget } from './grpc-target.js';
import { openHttpTarget } from './http-target.js';
import type { Target, TargetOptions } from './target.js';

/** An http URL is the bridge, anything else is a gateway's address. */
export function openTarget(options: TargetOptions): Target {
  return /^https?:\/\//i.test(options.target) ? openHttpTarget(options) : openGrpcTarget(options);
}
