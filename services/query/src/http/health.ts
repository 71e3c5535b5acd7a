import type { FastifyInstance } from 'fastify';
import type { Checkup } from '../check-parts.js';
import { readParameters } from './parameters.js';

export interface HealthDeps {
  readonly check: () => Promise<Checkup>;
  readonly startedAtMs: number;
}

export function serveHealth(app: FastifyInstance, { check, startedAtMs }: HealthDeps): void {
  for (const path of ['/health', '/']) {
    app.get(path, async (request, reply) => {
      readParameters(request, []);
      const { parts, queueSize } = await check();
      const ok = Object.values(parts).every(Boolean);
      if (!ok) reply.code(503).header('retry-after', 1);
      return {
        status: ok ? 'healthy' : 'unhealthy',
        ok,
        consumer_running: parts.dedup_worker,
        queue_size: queueSize === undefined ? null : Number(queueSize),
        uptime_seconds: (Date.now() - startedAtMs) / 1000,
        timestamp: new Date().toISOString(),
        parts,
      };
    });
  }
}
