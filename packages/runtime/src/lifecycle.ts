import { setFlagsFromString } from 'node:v8';
import { type Environment, readEnvironment } from './environment.js';
import { createLogger, type Logger, readLogConfig } from './logger.js';
import { SettingsError, settingsOf } from './settings.js';

/** Where a part can be reached, as a launcher prints it. */
export type Addresses = Readonly<Partial<Record<'grpc' | 'http' | 'metrics', string>>>;

export interface RunningPart {
  readonly addresses: Addresses;
  stop(): Promise<void>;
}

export type StartPart = (environment: Environment, logger: Logger) => Promise<RunningPart>;

const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/**
 * The life of a service process: start, serve until told to stop, stop within DRAIN_TIMEOUT, exit. It is told by
 * SIGTERM or SIGINT, or by the launcher's channel closing, which means that the launcher is gone. A second signal, or a
 * drain that takes too long, ends the process at once.
 */
export async function runService(service: string, start: StartPart): Promise<void> {
  // Little survives a minor collection here. Where every core has work, its helpers wait for their turn, and all that this
  // process does waits for them.
  setFlagsFromString('--no-parallel-scavenge');
  let logger: Logger | undefined;
  let stopping = false;
  const asked = askedToStop(() => logger?.error(`${service} was told twice to stop: it ends at once`));

  try {
    const environment = readEnvironment();
    const settings = settingsOf(environment);
    const drainTimeoutMs = settings.durationMs('DRAIN_TIMEOUT', 8_000);
    logger = createLogger(service, readLogConfig(settings));
    failLoudly(logger);
    const toldToStop = asked.then((why) => {
      stopping = true;
      logger?.info(`${service} is stopping: ${why}`);
      // Not unref'd: with nothing else to wait for, Node would end a stuck process in silence.
      setTimeout(() => {
        logger?.error(`${service} did not stop within ${drainTimeoutMs} ms`);
        process.exit(1);
      }, drainTimeoutMs);
    });

    // Asked to stop while it starts: its doors may be open already, so it is stopped in order all the same.
    const part = await start(environment, logger);
    if (!stopping) {
      logger.info({ addresses: part.addresses }, `${service} is ready`);
      // The launcher may be gone, which is an error of the channel and none of this process.
      process.send?.({ type: 'ready', service, addresses: part.addresses }, undefined, undefined, () => undefined);
    }
    await toldToStop;
    await part.stop();
    logger.info(`${service} has stopped`);
    process.exit(0);
  } catch (error) {
    if (error instanceof SettingsError) process.stderr.write(`${service}: ${error.message}\n`);
    else if (logger) logger.fatal({ err: error }, `${service} could not ${stopping ? 'stop in order' : 'start'}`);
    else process.stderr.write(`${service}: ${String(error)}\n`);
    process.exit(1);
  }
}

/** Resolves with the reason. */
function askedToStop(onSecondSignal: () => void): Promise<string> {
  return new Promise((resolve) => {
    let count = 0;
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (++count > 1) {
          onSecondSignal();
          process.exit(1);
        }
        resolve(signal);
      });
    }
    if (process.env.EVENTSIEVE_SUPERVISED !== '1') return;
    if (process.connected) process.once('disconnect', () => resolve('launcher gone'));
    else resolve('launcher gone');
  });
}

/** What nobody caught is a bug: it is logged, and the process ends so that a fresh one takes over. */
function failLoudly(logger: Logger): void {
  const fail = (error: unknown) => {
    logger.fatal({ err: error }, 'unforeseen error');
    process.exit(1);
  };
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
}
