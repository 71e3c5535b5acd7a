export interface ArrayParameter {
  readonly bytes: Buffer;
  /** Where each element begins. */
  readonly at: readonly number[];
}

const headerBytes = 20;
const postgresEpochMs = 946_684_800_000;

/** A one-dimensional array in Postgres' binary format. */
export function arrayParameter(elementOid: number, values: readonly Uint8Array[]): ArrayParameter {
  const bytes = Buffer.alloc(headerBytes + values.reduce((sum, { length }) => sum + 4 + length, 0));
  bytes.writeInt32BE(1, 0);
  bytes.writeInt32BE(elementOid, 8);
  bytes.writeInt32BE(values.length, 12);
  bytes.writeInt32BE(1, 16);
  let offset = headerBytes;
  const at = values.map((value) => {
    bytes.writeInt32BE(value.length, offset);
    bytes.set(value, offset + 4);
    offset += 4 + value.length;
    return offset - value.length;
  });
  return { bytes, at };
}

export function postgresMicroseconds(ms: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(Math.floor(ms) - postgresEpochMs) * 1000n);
  return bytes;
}
