/** Any text as a URI-reference: what cannot stand in one is percent-encoded, everything else stays. */
export function uriReferenceOf(text: string): string {
  let hashes = 0;
  const encoded = text.replace(/%(?![0-9a-f]{2})|[^\w.~:/?#@!$&'()*+,;=%-]/giu, encode).replace(/#/g, (hash) => {
    hashes += 1;
    return hashes === 1 ? hash : encode(hash);
  });
  // Before the first slash a colon ends a scheme, and a scheme begins with a letter.
  if (/^[a-z][a-z0-9+.-]*:/i.test(encoded)) return encoded;
  const [first = ''] = /^[^/?#]*/.exec(encoded) ?? [];
  return first.replaceAll(':', encode) + encoded.slice(first.length);
}

function encode(characters: string): string {
  const bytes = [...Buffer.from(characters, 'utf8')];
  return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
