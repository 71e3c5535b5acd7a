import type { ValidEvent } from '@eventsieve/gateway/validate/validate-event';

/** What a door took, and what it must be when it is read again. */
export interface Accepted {
  readonly event: ValidEvent;
  /** The payload as it was sent, as JSON text. */
  readonly sent: string;
  /** The input that it came in, for a report. */
  readonly from: string;
}

/** An input, or its beginning, in letters that can be pasted into a test. */
export function shown(input: Uint8Array | string): string {
  const bytes = Buffer.from(input);
  const isText = !bytes.includes(0) && Buffer.from(bytes.toString()).equals(bytes);
  const text = isText ? JSON.stringify(bytes.toString()) : `hex ${bytes.toString('hex')}`;
  return text.length > 600 ? `${text.slice(0, 600)}… (${bytes.length} bytes)` : text;
}
