import type { Door } from './door.js';
import { openGrpcDoor } from './grpc-door.js';
import type { PublishOptions } from './options.js';

export function openDoor({ connection, ...options }: PublishOptions): Door {
  return openGrpcDoor(connection, options);
}
