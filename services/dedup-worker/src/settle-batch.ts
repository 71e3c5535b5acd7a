import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Logger } from '@eventsieve/runtime/logger';
import type { Pool } from 'pg';
import { deadLetter, type Reason, reasonOf } from './dead-letter.js';
import { type Delivery, traceparentOf } from './delivery.js';
import type { WorkerMetrics } from './metrics.js';
import { brokerWentBack, remedyFor, sqlStateOf } from './postgres-errors.js';
import { type Judgement, storeBatch } from './store-batch.js';
import { storeRedrive } from './store-redrive.js';

export interface SettleDeps {
  readonly pool: Pool;
  readonly epoch: number;
  readonly logger: Logger;
  readonly metrics: Pick<WorkerMetrics, 'stored' | 'failed'>;
  /** Committed: acks and answers. Called once for each part of a batch that was split. */
  readonly committed: (batch: readonly Delivery[], judgements: ReadonlyMap<bigint, Judgement>, reason?: Reason) => void;
  readonly ensurePartitions: (batch: readonly Delivery[]) => Promise<void>;
  /** The epoch is over or the broker went back: nothing more can be stored in this session. */
  readonly realign: (why: string, brokerWentBack: boolean) => void;
  /** The session has ended: its messages will be handed out again. */
  readonly ended: () => boolean;
  readonly pause: (ms: number) => Promise<void>;
}

const firstPauseMs = 20;
const maxPauseMs = 2_000;

/** Brings a batch to its end: committed, or dropped with the session. Waits as long as an outage lasts. */
export async function settleBatch(deps: SettleDeps, shard: number, batch: readonly Delivery[]): Promise<void> {
  const undecodable = batch.filter(({ content }) => content.kind === 'undecodable');
  for (const delivery of undecodable) {
    if (delivery.content.kind !== 'undecodable') continue;
    await keep(deps, shard, delivery, { code: 'UNDECODABLE', message: delivery.content.reason });
  }
  const redriven = batch.filter(({ content, redrive }) => redrive && content.kind !== 'undecodable');
  const storable =
    undecodable.length + redriven.length === 0
      ? batch
      : batch.filter(({ content, redrive }) => redrive === undefined && content.kind !== 'undecodable');
  if (storable.length > 0) await store(deps, shard, storable);
  for (const delivery of redriven) await storeAgain(deps, shard, delivery);
}

async function store(deps: SettleDeps, shard: number, batch: readonly Delivery[]): Promise<void> {
  const storeAll = async () => {
    const begunAtMs = performance.now();
    const judgements = await storeBatch(deps.pool, deps.epoch, shard, batch);
    deps.metrics.stored((performance.now() - begunAtMs) / 1000);
    deps.committed(batch, judgements);
  };
  const halve = async () => {
    const middle = batch.length >> 1;
    await store(deps, shard, batch.slice(0, middle));
    await store(deps, shard, batch.slice(middle));
  };
  const [only] = batch;
  if (batch.length === 1 && only) {
    await persist(deps, batch, storeAll, { refused: (error) => keep(deps, shard, only, reasonOf(error)) });
  } else await persist(deps, batch, storeAll, { halve, refused: halve });
}

/** One message at a time: dead letters are rare, and each has a state to turn. */
async function storeAgain(deps: SettleDeps, shard: number, delivery: Delivery): Promise<void> {
  const storeIt = async () => {
    const judgement = await storeRedrive(deps.pool, deps.epoch, shard, delivery);
    const { outcome } = judgement;
    deps.logger.info({ position: delivery.position.toString(), ...delivery.redrive, outcome }, 'dead letter redriven');
    const isNews = delivery.content.kind === 'copy' && outcome !== Outcome.OUTCOME_STORED;
    deps.committed([delivery], new Map(isNews ? [[delivery.position, judgement]] : []));
  };
  await persist(deps, [delivery], storeIt, { refused: (error) => keep(deps, shard, delivery, reasonOf(error)) });
}

async function keep(deps: SettleDeps, shard: number, delivery: Delivery, reason: Reason): Promise<void> {
  const judgements = new Map([[delivery.position, { outcome: Outcome.OUTCOME_DEAD_LETTERED, firstSeenAtUs: 0n }]]);
  await persist(deps, [delivery], async () => {
    await deadLetter(deps.pool, deps.epoch, shard, delivery, reason);
    const traceparent = traceparentOf(delivery);
    const line = { position: delivery.position.toString(), ...reason, ...(traceparent && { traceparent }) };
    deps.logger.error(line, 'message dead-lettered');
    deps.committed([delivery], judgements, reason);
  });
}

/** Runs `work` until it commits, the session ends, or the batch turns out to hold what can never be stored. */
async function persist(
  deps: SettleDeps,
  batch: readonly Delivery[],
  work: () => Promise<void>,
  { refused, halve }: { refused?: (error: unknown) => Promise<void>; halve?: () => Promise<void> } = {},
): Promise<void> {
  let pauseMs = firstPauseMs;
  while (!deps.ended()) {
    try {
      return await work();
    } catch (error) {
      const remedy = remedyFor(error);
      deps.metrics.failed(remedy);
      if (remedy === 'realign') {
        return deps.realign((error as Error).message, sqlStateOf(error) === brokerWentBack);
      }
      if (remedy === 'split' && refused) return await refused(error);
      // Too much for the time that a statement may take, on a database that is slow: less of it may fit.
      if (remedy === 'halve' && halve) return await halve();
      const code = sqlStateOf(error);
      if (remedy === 'create-partition') {
        await deps
          .ensurePartitions(batch)
          .catch((cause: unknown) => deps.logger.warn({ err: cause }, 'no partition yet'));
      } else if (remedy !== 'retry') {
        deps.logger.warn({ err: error, code, messages: batch.length }, 'storing has to wait');
      }
      await deps.pause(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(pauseMs * 2, maxPauseMs);
    }
  }
}
