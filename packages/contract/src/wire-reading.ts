/** Bytes of a message that are read by hand, where the generated code makes more than is wanted of them. */
export interface WireReading {
  readonly bytes: Uint8Array;
  at: number;
  /** So far it is what was expected; what is not is left to the generated code. */
  sound: boolean;
}

/** A varint below 2 ** 53: more of them, or a negative one, are not worth a fast way. */
export function readNumber(reading: WireReading): number {
  const { bytes } = reading;
  let value = 0;
  let unit = 1;
  for (;;) {
    const byte = bytes[reading.at++];
    if (byte === undefined || value + (byte & 0x7f) * unit > Number.MAX_SAFE_INTEGER) {
      reading.sound = false;
      return 0;
    }
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) return value;
    unit *= 0x80;
  }
}
