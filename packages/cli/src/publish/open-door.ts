import type { Door } from './door.js';
import { openGrpcDoor } from './grpc-door.js';
import { openHttpDoor } from './http-door.js';
import type { PublishOptions } from './options.js';

export function openDoor({ url, connection, ...options }: PublishOptions): Door {
  return url === undefined ? openGrpcDoor(connection, options) : openHttpDoor(url, options);
}
