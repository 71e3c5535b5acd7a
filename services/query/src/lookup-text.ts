import type { FieldError } from '@eventsieve/contract/errors';

const maxCharacters = 255;

/** What can be wrong with a topic, id or source that is looked for. Anything else is simply not found. */
export function lookupFaults(fields: Readonly<Record<string, string>>): FieldError[] {
  return Object.entries(fields).flatMap(([field, text]) => {
    // Postgres refuses NUL even in a comparison.
    if (text.includes('\0')) return [{ field, message: 'contains a NUL character' }];
    // Code units first: counting characters takes longer the more there are.
    if (text.length > maxCharacters * 2 || [...text].length > maxCharacters) {
      return [{ field, message: `must have at most ${maxCharacters} characters` }];
    }
    return [];
  });
}
