import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { EventsieveError, invalid } from './errors.js';
import { fromGrpcError, toGrpcStatus } from './grpc-errors.js';

const overTheWire = (error: EventsieveError) => fromGrpcError(toGrpcStatus(error) as ServiceError);
const bare = (code: status, details: string) =>
  fromGrpcError(Object.assign(new Error(details), { code, details, metadata: new Metadata() }));

test('an error is the same on the other side', () => {
  const full = new EventsieveError('RESOURCE_EXHAUSTED', 'the stream is full', {
    reason: 'STREAM_FULL',
    retryAfterMs: 1_250,
    request: 0,
  });
  expect(overTheWire(full)).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: 'the stream is full',
    reason: 'STREAM_FULL',
    retryAfterMs: 1_250,
    request: 0,
  });
  const fields = [{ index: 3, field: 'topic', message: 'must not be empty' }];
  expect(overTheWire(invalid(fields))).toMatchObject({ code: 'INVALID_ARGUMENT', fields });
  expect(overTheWire(new EventsieveError('PAYLOAD_TOO_LARGE', 'too large')).code).toBe('PAYLOAD_TOO_LARGE');
  expect(overTheWire(new EventsieveError('INTERNAL', 'internal error')).code).toBe('INTERNAL');
});

test('an answer that broke off on its way says nothing of the server: the call may be made again', () => {
  expect(bare(status.UNKNOWN, 'Received HTTP status code 200').code).toBe('UNAVAILABLE');
  expect(bare(status.INTERNAL, 'Received RST_STREAM with code 2').code).toBe('UNAVAILABLE');
  expect(bare(status.CANCELLED, 'Call cancelled').code).toBe('UNAVAILABLE');
  expect(bare(status.DEADLINE_EXCEEDED, 'Deadline exceeded').code).toBe('DEADLINE_EXCEEDED');
});
