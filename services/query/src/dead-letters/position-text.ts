const highest = 2n ** 63n - 1n;

/** A position as a person writes it; undefined when it cannot be one. */
export function positionOf(text: string): bigint | undefined {
  const position = /^[1-9]\d{0,18}$/.test(text) ? BigInt(text) : 0n;
  return position >= 1n && position <= highest ? position : undefined;
}
