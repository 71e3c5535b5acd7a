import type { Msg, MsgImpl } from '@nats-io/transport-node';

/**
 * By their names, as they came; a line that names nothing is passed over. The client's own reading throws at a name that it
 * would not send, and anybody may have sent this one.
 */
export function readHeaders(message: Msg): Map<string, string[]> {
  // There is one implementation of the interface, and what is asked of it is declared.
  const { _msg: line, _rdata: bytes } = message as MsgImpl;
  const headers = new Map<string, string[]>();
  if (line.hdr <= 0) return headers;
  // The first line is the version, and the broker's word where it has one.
  const [, ...lines] = Buffer.from(bytes.subarray(0, line.hdr)).toString().split('\r\n');
  for (const each of lines) {
    const colon = each.indexOf(':');
    if (colon < 0) continue;
    const name = each.slice(0, colon);
    const values = headers.get(name);
    const value = each.slice(colon + 1).trim();
    if (values === undefined) headers.set(name, [value]);
    else values.push(value);
  }
  return headers;
}
