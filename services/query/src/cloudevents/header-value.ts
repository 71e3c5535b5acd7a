const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The text that an HTTP header of a CloudEvent stands for: quotes off, then one round of percent-decoding, then UTF-8,
 * also that of publishers who send it bare. Undefined when it is not UTF-8. Node gives each byte as one character.
 */
export function decodeHeaderValue(value: string): string | undefined {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1];
  const plain = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1');
  const bytes = plain.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined;
  }
}
