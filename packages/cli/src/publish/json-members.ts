export interface JsonMember {
  readonly key: string;
  /** The value as it stands in the text. */
  readonly source: string;
}

/**
 * The members of an object, each value left as the text that it is, so that no digit is lost. What is inside of values is
 * not looked at more than it takes to find their ends: whoever takes them in checks them to the letter. Undefined: no
 * object, or one that breaks off.
 */
export function readMembers(text: string): JsonMember[] | undefined {
  let at = skipSpace(text, 0);
  if (text[at] !== '{') return undefined;
  at = skipSpace(text, at + 1);
  const members: JsonMember[] = [];
  if (text[at] === '}') return skipSpace(text, at + 1) === text.length ? members : undefined;
  for (;;) {
    if (text[at] !== '"') return undefined;
    const keyEnd = endOfString(text, at);
    const key = keyEnd === undefined ? undefined : decodeString(text.slice(at, keyEnd));
    if (keyEnd === undefined || key === undefined) return undefined;
    at = skipSpace(text, keyEnd);
    if (text[at] !== ':') return undefined;
    at = skipSpace(text, at + 1);
    const end = endOfValue(text, at);
    if (end === undefined || end === at) return undefined;
    members.push({ key, source: text.slice(at, end) });
    at = skipSpace(text, end);
    if (text[at] === '}') return skipSpace(text, at + 1) === text.length ? members : undefined;
    if (text[at] !== ',') return undefined;
    at = skipSpace(text, at + 1);
  }
}

/** The text of a JSON string, or undefined when it is none. */
export function decodeString(source: string): string | undefined {
  if (source[0] !== '"') return undefined;
  if (!source.includes('\\')) return source.slice(1, -1);
  try {
    return JSON.parse(source) as string;
  } catch {
    return undefined;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; ) {
    code = text.charCodeAt(++at);
  }
  return at;
}

function endOfString(text: string, start: number): number | undefined {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return undefined;
}

function endOfValue(text: string, start: number): number | undefined {
  const first = text[start];
  if (first === '"') return endOfString(text, start);
  if (first === '{' || first === '[') return endOfContainer(text, start);
  const end = text.slice(start).search(/[\s,}\]]/);
  return end < 0 ? undefined : start + end;
}

function endOfContainer(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      const end = endOfString(text, at);
      if (end === undefined) return undefined;
      at = end - 1;
    } else if (code === 0x7b || code === 0x5b) depth++;
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at + 1;
  }
  return undefined;
}
