import { type CommandContext, Interruption } from '../command.js';
import { exitCodes, failureOf } from '../exit-codes.js';
import { keepHeapSmall } from '../keep-heap-small.js';
import { DeliveryError } from '../targets/target.js';
import { keepCheckpoint } from './keep-checkpoint.js';
import { openLedger } from './ledger.js';
import { openDoor } from './open-door.js';
import { openInput } from './open-input.js';
import type { PublishOptions } from './options.js';
import { showProgress } from './progress.js';
import { openRecords } from './read-pieces.js';
import type { RecordFault } from './read-record.js';
import { type Ending, sendRecords } from './send-records.js';
import { doneLine, isClean, newTally } from './tally.js';

const mostFaultsNamed = 100;

export async function publishFile(options: PublishOptions, context: CommandContext): Promise<number> {
  keepHeapSmall();
  const startedAt = performance.now();
  const input = await openInput(options.path);
  // Not before: a pipe may have to wait for its writer, and until then an interrupt just ends the process.
  const { interrupted } = context;
  const keeper = keepCheckpoint(options, input);
  const found = await keeper.find();
  if (found.sentence !== undefined) context.complain(`${input.name}: ${found.sentence}.`);
  const { from, manner } = found;

  const tally = newTally();
  const ledger = openLedger(from);
  const leftOut = (columns: readonly string[]) =>
    progress.note(
      `${input.name}: columns left out: ${columns.join(', ')} (--map ${columns[0]}=payload.${columns[0]} takes one in).`,
    );
  const records = openRecords(input, { ...options, leftOut }, from, manner);
  const door = openDoor(options);
  const progress = showProgress({ ...input, tally }, context);

  let faultsNamed = 0;
  const fault = (line: number, faults: readonly RecordFault[]) => {
    if (faultsNamed++ < mostFaultsNamed) progress.note(faultLine(input.name, line, faults));
    else if (faultsNamed === mostFaultsNamed + 1) progress.note('Further records at fault are only counted.');
  };
  const saving = keeper.whileRunning(ledger, records.manner, progress.note);
  let ending: Ending;
  try {
    ending = await sendRecords({
      records,
      door,
      ledger,
      tally,
      stopAtFaults: options.stopAtFaults,
      interrupted,
      stopReading: input.stop,
      fault,
    });
  } finally {
    progress.end();
    await saving.stop();
  }

  const seconds = (performance.now() - startedAt) / 1000;
  if (ending === 'done') await keeper.remove();
  else context.complain(await keeper.stopped(ledger.place(), records.manner(), sentenceOf(ending, options)));
  const { line: stopLine } = ledger.place();
  if (options.json) {
    context.say(JSON.stringify(jsonOf(tally, seconds, ending === 'done' ? undefined : stopLine)));
  } else {
    context.say(`total ${seconds.toFixed(2)} s, ${Math.round(tally.published / seconds)} events/s`);
    context.say(doneLine(tally));
  }
  return exitCodeOf(ending, isClean(tally), interrupted);
}

function faultLine(name: string, line: number, faults: readonly RecordFault[]): string {
  const named = faults.map(({ field, message }) => (field === '' ? message : `${field} ${message}`));
  return `${name}, line ${line}: ${named.join('; ')}`;
}

function sentenceOf(ending: Exclude<Ending, 'done'>, { stopAtFaults }: PublishOptions): string {
  if (ending === 'interrupted') return 'Interrupted';
  if (ending === 'fault') return stopAtFaults ? 'Stopped at a record that is at fault' : 'Stopped';
  return `Stopped: ${failureOf(ending.failure).line ?? ''}`.replace(/\.$/, '');
}

function exitCodeOf(ending: Ending, clean: boolean, interrupted: AbortSignal): number {
  if (ending === 'done') return clean ? exitCodes.done : exitCodes.failed;
  if (ending === 'fault') return exitCodes.failed;
  if (ending === 'interrupted') {
    const { reason } = interrupted;
    return reason instanceof Interruption ? reason.exitCode : exitCodes.failed;
  }
  const { failure } = ending;
  if (failure instanceof DeliveryError && failure.retryable) return exitCodes.unreachable;
  return failureOf(failure).exitCode;
}

function jsonOf(tally: ReturnType<typeof newTally>, seconds: number, stoppedAfterLine: number | undefined) {
  const { deadLettered, ...rest } = tally;
  return {
    ...rest,
    dead_lettered: deadLettered,
    seconds: Number(seconds.toFixed(3)),
    complete: stoppedAfterLine === undefined,
    ...(stoppedAfterLine === undefined ? {} : { stopped_after_line: stoppedAfterLine }),
  };
}
