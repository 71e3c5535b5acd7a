/**
 * The header of W3C Trace Context that says which trace a call belongs to; of HTTP, gRPC metadata and NATS messages alike.
 * It travels as it came: nobody here makes spans.
 */
export const traceparentHeader = 'traceparent';

const form = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-[\x21-\x7e]*)?$/;
const nothing = /^0+$/;
// Later versions may add to the 55 characters of the first.
const mostCharacters = 128;

/** What may travel on; undefined for everything else, which the standard wants to be ignored. */
export function readTraceparent(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > mostCharacters) return undefined;
  const [, version = 'ff', trace = '', parent = '', more] = form.exec(value) ?? [];
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return nothing.test(trace) || nothing.test(parent) ? undefined : value;
}
