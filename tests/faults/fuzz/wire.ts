/** Protobuf by hand: what no encoder would write has to be written too. */
export const wireType = { varint: 0, bit64: 1, bytes: 2, startGroup: 3, endGroup: 4, bit32: 5 } as const;

export function varint(value: bigint | number): Buffer {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0));
    left >>= 7n;
  } while (left > 0n);
  return Buffer.from(bytes);
}

const tag = (field: number, type: number) => varint(field * 8 + type);

export const wholeField = (field: number, value: bigint | number) =>
  Buffer.concat([tag(field, wireType.varint), varint(value)]);

export const bytesField = (field: number, bytes: Uint8Array) =>
  Buffer.concat([tag(field, wireType.bytes), varint(bytes.length), bytes]);

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, wireType.bit64), bytes]);
}

/** A group within a group within a group: readers that go down into each one end here. */
export const nestedGroups = (levels: number, field: number) =>
  Buffer.concat([
    Buffer.concat(Array(levels).fill(tag(field, wireType.startGroup))),
    Buffer.concat(Array(levels).fill(tag(field, wireType.endGroup))),
  ]);
