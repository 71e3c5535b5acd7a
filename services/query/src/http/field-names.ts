import { EventsieveError, invalid } from '@eventsieve/contract/errors';

/** What a call of the API refuses, in the names that its HTTP route has for the fields. */
export async function withFieldNames<T>(call: Promise<T>, rename: (field: string) => string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof EventsieveError) || error.code !== 'INVALID_ARGUMENT') throw error;
    throw invalid(
      error.fields.map((fault) => ({
        ...fault,
        field: rename(fault.field),
        message: fault.message.replace(namedInMessage, rename),
      })),
    );
  }
}

const namedInMessage = /(?<=^must not be (?:before|given beside) )\S+$/;
