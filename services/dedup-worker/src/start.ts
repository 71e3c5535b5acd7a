import { openBrokerLink } from '@eventsieve/runtime/broker-link';
import { createDuplicateLog } from '@eventsieve/runtime/duplicate-log';
import type { StartPart } from '@eventsieve/runtime/lifecycle';
import { openSidePort } from '@eventsieve/runtime/side-port';
import { streamInfo } from '@eventsieve/runtime/stream';
import { createPool, endPool } from '@eventsieve/store/pool';
import { type Ask, findSchemaGap } from '@eventsieve/store/schema-version';
import { type PostgresState, watchPostgres } from '@eventsieve/store/watch-postgres';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { type Aligned, alignEpoch } from './align-epoch.js';
import { readConfig } from './config.js';
import { choresOf } from './keeper/chores.js';
import { startKeeper } from './keeper/keeper.js';
import { readOldestEvent } from './keeper/oldest-event.js';
import { createWorkerMetrics } from './metrics.js';
import { ensureUpcomingPartitions } from './partitions.js';
import { type Session, shards, startSession } from './session.js';

const retryMs = 500;
const shortestMs = 1_000;
const partitionCheckMs = 3_600_000;
const scrapeTimeoutMs = 1_000;
const breakOffMs = 500;

/** Aligns and consumes, again and again, for as long as the process lives. */
export const startWorker: StartPart = async (environment, logger) => {
  const config = readConfig(environment);
  const firstShard = Math.floor(Math.random() * shards);
  const pool = createPool({
    url: config.databaseUrl,
    name: 'eventsieve-dedup-worker',
    // One for each batch under way, and one each for the watermark, the two chores, the metrics, the partitions of
    // tomorrow and the look whether Postgres answers. Aligning takes two, while there are no batches.
    max: config.batchesInFlight + 6,
    statementTimeoutMs: config.statementTimeoutMs,
    onError: (error) => logger.warn({ err: error }, 'a connection to Postgres was lost'),
  });
  const duplicates = createDuplicateLog(logger, config.duplicateLinesPerSecond);
  let session: Session | undefined;
  let consumes: Aligned | undefined;
  let wentBackIn: number | undefined;
  let notThisConsumer: string | undefined;
  let stopping = false;
  let postgres: PostgresState = { answers: false, hasSchema: false };
  let saidWhy = '';
  let wake: () => void = () => undefined;

  const link = openBrokerLink({
    url: config.natsUrl,
    name: 'eventsieve-dedup-worker',
    logger,
    onUp: () => wake(),
    onDown: () => session?.end('the connection to NATS was lost'),
  });

  async function readStream() {
    const connection = link.connection();
    if (connection === undefined) return undefined;
    return streamInfo(await jetstreamManager(connection, { checkAPI: false, timeout: scrapeTimeoutMs }), config.names);
  }

  async function givenOut(): Promise<bigint | undefined> {
    const epoch = consumes;
    if (epoch === undefined) return undefined;
    const info = await readStream().catch(() => undefined);
    if (info?.created !== epoch.streamCreated || consumes !== epoch) return undefined;
    return epoch.base + BigInt(info.state.last_seq);
  }

  const metrics = createWorkerMetrics({
    readStream,
    readOldestEvent: () => readOldestEvent(pool),
    load: () => session?.load(),
    connected: () => link.connection() !== undefined,
  });

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const ask: Ask = async (text) => (await pool.query(text)).rows;

  async function checkSchema(): Promise<void> {
    const gap = await findSchemaGap(ask);
    if (gap) throw gap;
  }

  async function consumeOnce(connection: NatsConnection): Promise<void> {
    await ensureUpcomingPartitions(pool);
    const jsm = await jetstreamManager(connection, { timeout: 5_000 });
    const epoch = await alignEpoch({
      jsm,
      pool,
      names: config.names,
      streamLimits: config.streamLimits,
      ackWaitMs: config.ackWaitMs,
      // Room for what every worker may hold; the bound on what a stopped one keeps from the others.
      maxAckPending: Math.max(20_000, config.batchSize * 20),
      logger,
      wentBackIn,
      notThisConsumer,
    });
    metrics.aligned(epoch);
    saidWhy = '';
    wentBackIn = undefined;
    notThisConsumer = undefined;
    if (stopping || link.connection() !== connection) return;
    session = startSession({ config, connection, jsm, pool, epoch, logger, duplicates, metrics, firstShard });
    consumes = epoch;
    if (link.connection() === undefined) session.end('the connection to NATS was lost');
    if (stopping) await session.stop();
    logger.info({ epoch: epoch.epoch, base: epoch.base.toString() }, 'consuming');
    const { why, mend } = await session.ended;
    session = undefined;
    consumes = undefined;
    if (mend === 'open-epoch') wentBackIn = epoch.epoch;
    if (mend === 'remake-consumer') notThisConsumer = epoch.durable;
    if (!stopping) logger.warn({ why }, 'consuming ended; aligning again');
  }

  async function run(): Promise<void> {
    while (!stopping) {
      try {
        await checkSchema();
        const connection = link.connection();
        if (connection === undefined) await sleep(retryMs);
        else {
          const begunMs = performance.now();
          await consumeOnce(connection);
          // What ends at once would end at once again, as fast as the broker can say no.
          if (!stopping && performance.now() - begunMs < shortestMs) await sleep(retryMs);
        }
      } catch (error) {
        // Said once for each reason, not twice a second for as long as an outage lasts.
        const why = String(error);
        if (!stopping && why !== saidWhy)
          logger.warn({ err: error }, `not consuming yet, trying on: ${messageOf(error)}`);
        saidWhy = why;
        await sleep(retryMs);
      }
    }
  }

  const running = run();
  const watch = watchPostgres(ask, (state) => {
    postgres = state;
  });
  const keeper = startKeeper(choresOf({ pool, config, givenOut, metrics }), logger);
  const partitionTimer = setInterval(() => {
    ensureUpcomingPartitions(pool).catch((error: unknown) =>
      logger.warn({ err: error }, 'no partition for tomorrow yet'),
    );
  }, partitionCheckMs);
  const side = await openSidePort({
    host: config.bindHost,
    port: config.metricsPort,
    portVariable: 'WORKER_METRICS_PORT',
    parts: () => ({
      postgres: postgres.answers,
      schema: postgres.hasSchema,
      nats: link.connection() !== undefined,
      consumer: session !== undefined,
    }),
    metrics: metrics.exposition,
  });

  return {
    addresses: { metrics: side.address },
    async stop() {
      stopping = true;
      side.drain();
      clearInterval(partitionTimer);
      watch.stop();
      const kept = keeper.stop();
      wake();
      setTimeout(() => session?.end('what was under way could not be finished in time'), config.drainMs).unref();
      await session?.stop();
      // Aligning may be broken off at any point: it has begun no message, and Postgres or NATS may be away.
      await Promise.race([Promise.all([running, kept]), new Promise((resolve) => setTimeout(resolve, breakOffMs))]);
      // One that began meanwhile.
      await session?.stop();
      await link.close();
      await endPool(pool);
      duplicates.stop();
      await side.stop();
    },
  };
};

const messageOf = (error: unknown): string => (error instanceof Error && error.message) || String(error);
