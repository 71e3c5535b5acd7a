import { EventsieveError } from '@eventsieve/client';
import { Interruption, UsageError } from './command.js';
import type { Flag } from './flag.js';

/** What every command ends with. Of an Interruption it is 128 and the number of the signal, as shells have it. */
export const exitCodes = { done: 0, failed: 1, wrongUse: 2, unreachable: 3 } as const;

export const exitCodesHelp = `Exit codes: 0 done, 1 failed or does not hold, 2 asked for what cannot be, 3 no server could be reached or it could not
answer now (the same may go well later), 130 ended by Ctrl-C, 143 by SIGTERM.`;

export interface Failure {
  readonly exitCode: number;
  /** One line; undefined when nothing needs to be said. */
  readonly line: string | undefined;
}

export function failureOf(thrown: unknown, flags: readonly Flag[] = []): Failure {
  // Node's own waiting ends with an error of its own, which has the signal's reason as its cause.
  const error = thrown instanceof Error && thrown.name === 'AbortError' ? (thrown.cause ?? thrown) : thrown;
  if (error instanceof Interruption) return { exitCode: error.exitCode, line: undefined };
  if (error instanceof UsageError) return { exitCode: exitCodes.wrongUse, line: oneLine(error.message) };
  if (!(error instanceof EventsieveError)) {
    return { exitCode: exitCodes.failed, line: oneLine(error instanceof Error ? error.message : String(error)) };
  }
  const line = oneLine(`${error.code}: ${inFlags(error, flags)}`);
  if (error.code === 'INVALID_ARGUMENT') return { exitCode: exitCodes.wrongUse, line };
  return { exitCode: error.retryable ? exitCodes.unreachable : exitCodes.failed, line };
}

/** Names the flag at fault, where the field that was refused is one. */
function inFlags({ fields, message }: EventsieveError, flags: readonly Flag[]): string {
  const [fault] = fields;
  if (fault === undefined || fault.index !== undefined) return message;
  const last = fault.field.split('.').at(-1) ?? '';
  const name = last.replace(/_/g, '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return flags.some((flag) => flag.name === name) ? `--${name} ${fault.message}` : message;
}

const oneLine = (text: string) => text.replace(/\s*[\r\n]+\s*/g, ' ');
