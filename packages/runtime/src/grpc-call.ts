import type { ServerHttp2Stream } from 'node:http2';
import { EventsieveError } from '@eventsieve/contract/errors';

/**
 * grpc-js ends a call by itself at its deadline and when a message is too large, and tells nobody before the last answer
 * has left. What is written after that is an error of the HTTP/2 stream, which then stays open for ever.
 */
export function isOver(call: object): boolean {
  return http2StreamOf(call)?.writableEnded ?? false;
}

// grpc-js has no name for it.
export function http2StreamOf(call: object): ServerHttp2Stream | undefined {
  return (call as { call?: { stream?: ServerHttp2Stream } }).call?.stream;
}

export function callerGone(): EventsieveError {
  return new EventsieveError('UNAVAILABLE', 'the caller is gone', { reason: 'CALLER_GONE' });
}
