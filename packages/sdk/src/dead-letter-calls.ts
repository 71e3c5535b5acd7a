import { QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import { type CallSettings, callUnary, type Peer } from './call.js';
import {
  type DeadLetter,
  type DeadLetterFilter,
  type DeadLetterState,
  deadLetterOf,
  encodeLetterFilter,
  redriveOutcomeOf,
  type WholeDeadLetter,
  wholeDeadLetterOf,
} from './dead-letters.js';
import { EventsieveError } from './error.js';
import type { Outcome } from './publish.js';
import { type ReadPagesOptions, readPages } from './read-pages.js';

export interface ListDeadLettersOptions extends DeadLetterFilter, CallSettings, Omit<ReadPagesOptions, 'cursor'> {
  /** Default: any. */
  readonly state?: DeadLetterState | undefined;
  /** `desc`: the newest first. Default: `asc`. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** How many are fetched at a time, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

/** These positions, or else the open ones that a filter matches; an empty filter matches all. */
export type DeadLetterChoice = readonly bigint[] | DeadLetterFilter;

export interface SettleOptions extends CallSettings {
  /** At most so many in one call, the oldest first: 1 to 1000, which is the default. */
  readonly limit?: number | undefined;
  /** Only says what would be done. */
  readonly dryRun?: boolean | undefined;
}

export interface Redrive {
  /** How many were asked for and can be redriven; more than the limit are left for another call. */
  readonly matched: number;
  /** How many were sent. */
  readonly sent: number;
  readonly results: readonly RedriveResult[];
}

export interface RedriveResult {
  readonly position: bigint;
  /** What became of it: `accepted` while that is not known, absent when it was not sent. */
  readonly outcome?: Outcome;
  /** The position of the message that sent it through again; absent while unknown. */
  readonly redrivenPosition?: bigint;
  /** Why it was not sent, or why it was dead-lettered again. */
  readonly error?: { readonly code: string; readonly message: string; readonly field: string };
}

export interface Discard {
  /** How many were asked for and are open; more than the limit are left for another call. */
  readonly matched: number;
  /** The ones discarded, or with `dryRun` the ones that would be. */
  readonly positions: readonly bigint[];
}

export interface DeadLetters {
  /** Every one that fits, page after page, without its bytes. */
  list(options?: ListDeadLettersOptions): AsyncGenerator<DeadLetter>;
  /** One with its bytes and headers; undefined when there is none of this position. */
  get(position: bigint, settings?: CallSettings): Promise<WholeDeadLetter | undefined>;
  /** Sends them through again and waits a moment for what becomes of them. Sent twice, one still counts once. */
  redrive(choice: DeadLetterChoice, options?: SettleOptions): Promise<Redrive>;
  /** Gives them up; they can still be read, and redriven by position. */
  discard(choice: DeadLetterChoice, options?: SettleOptions): Promise<Discard>;
}

const defaultPageSize = 500;

export function createDeadLetters(query: Peer): DeadLetters {
  return {
    async *list({ state, order, pageSize = defaultPageSize, timeoutMs, signal, retry, ...given } = {}) {
      const filter = encodeLetterFilter(given, state);
      const read = async (cursor: string) => {
        const request = { filter, limit: pageSize, cursor, newestFirst: order === 'desc' };
        const answer = await callUnary(query, QueryServiceService.listDeadLetters, request, { timeoutMs, signal });
        const { deadLetters, nextCursor } = answer;
        return { deadLetters, ...(nextCursor === '' ? {} : { nextCursor }) };
      };
      for await (const { deadLetters } of readPages(read, { retry, signal })) yield* deadLetters.map(deadLetterOf);
    },
    async get(position, settings) {
      try {
        const { deadLetter } = await callUnary(query, QueryServiceService.getDeadLetter, { position }, settings);
        return deadLetter && wholeDeadLetterOf(deadLetter);
      } catch (error) {
        if (error instanceof EventsieveError && error.code === 'NOT_FOUND') return undefined;
        throw error;
      }
    },
    async redrive(choice, { limit = 0, dryRun = false, ...settings } = {}) {
      const request = { ...encodeChoice(choice), limit, dryRun };
      const answer = await callUnary(query, QueryServiceService.redriveDeadLetters, request, settings);
      const results = answer.results.map(({ position, redrivenPosition, error, ...result }) => {
        const outcome = redriveOutcomeOf(result.outcome);
        return {
          position,
          ...(outcome === undefined ? {} : { outcome }),
          ...(redrivenPosition === 0n ? {} : { redrivenPosition }),
          ...(error ? { error } : {}),
        };
      });
      return { matched: Number(answer.matched), sent: answer.sent, results };
    },
    async discard(choice, { limit = 0, dryRun = false, ...settings } = {}) {
      const request = { ...encodeChoice(choice), limit, dryRun };
      const { matched, positions } = await callUnary(query, QueryServiceService.discardDeadLetters, request, settings);
      return { matched: Number(matched), positions };
    },
  };
}

function encodeChoice(choice: DeadLetterChoice) {
  if (isPositions(choice)) return { positions: [...choice], filter: undefined };
  return { positions: [], filter: encodeLetterFilter(choice) };
}

// Array.isArray does not know readonly arrays.
const isPositions = (choice: DeadLetterChoice): choice is readonly bigint[] => Array.isArray(choice);
