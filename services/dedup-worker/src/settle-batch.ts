import { Outcome } from '@eventsieve/contract/gen/eventsieve/v1/ingest';
import type { Logger } from '@eventsieve/runtime/logger';
import type { Pool } from 'pg';
import { deadLetter, type Reason, reasonOf } from './dead-letter.js';
import type { Delivery } from './delivery.js';
import type { WorkerMetrics } from './metrics.js';
import { brokerWentBack, remedyFor, sqlStateOf } from './postgres-errors.js';
import { type Judgement, storeBatch } from './store-batch.js';

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
  const storable = undecodable.length === 0 ? batch : batch.filter(({ content }) => content.kind !== 'undecodable');
  if (storable.length > 0) await store(deps, shard, storable);
}

async function store(deps: SettleDeps, shard: number, batch: readonly Delivery[]): Promise<void> {
  const storeAll = async () => {
    const begunAtMs = performance.now();
    const judgements = await storeBatch(deps.pool, deps.epoch, shard, batch);
    deps.metrics.stored((performance.now() - begunAtMs) / 1000);
    deps.committed(batch, judgements);
  };
  await persist(deps, batch, storeAll, {
    async split(error) {
      const [only] = batch;
      if (batch.length === 1 && only) return keep(deps, shard, only, reasonOf(error));
      const middle = batch.length >> 1;
      await store(deps, shard, batch.slice(0, middle));
      await store(deps, shard, batch.slice(middle));
    },
  });
}

async function keep(deps: SettleDeps, shard: number, delivery: Delivery, reason: Reason): Promise<void> {
  const judgements = new Map([[delivery.position, { outcome: Outcome.OUTCOME_DEAD_LETTERED, firstSeenAtUs: 0n }]]);
  await persist(deps, [delivery], async () => {
    await deadLetter(deps.pool, deps.epoch, shard, delivery, reason);
    deps.logger.error({ position: delivery.position.toString(), ...reason }, 'message dead-lettered');
    deps.committed([delivery], judgements, reason);
  });
}

/** Runs `work` until it commits, the session ends, or the batch turns out to hold what can never be stored. */
async function persist(
  deps: SettleDeps,
  batch: readonly Delivery[],
  work: () => Promise<void>,
  { split }: { split?: (error: unknown) => Promise<void> } = {},
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
      if (remedy === 'split' && split) return await split(error);
      const code = sqlStateOf(error);
      if (remedy === 'create-partition') {
        await deps
          .ensurePartitions(batch)
          .catch((cause: unknown) => deps.logger.warn({ err: cause }, 'no partition yet'));
      } else if (remedy === 'wait') {
        deps.logger.warn({ err: error, code, messages: batch.length }, 'storing has to wait');
      }
      await deps.pause(pauseMs * (0.5 + Math.random()));
      pauseMs = Math.min(pauseMs * 2, maxPauseMs);
    }
  }
}
