import type { FastifyInstance } from 'fastify';
import type { Queries } from '../queries.js';
import { reconcile } from '../rpc/reconcile.js';
import { readParameters } from './parameters.js';
import { countsJson } from './stats.js';

export function serveReconcile(app: FastifyInstance, queries: Queries): void {
  app.get('/stats/reconcile', async (request) => {
    readParameters(request, []);
    const { ok, differences, counters, rows, watermark, lastPosition, brokerChecked } = await reconcile(queries);
    return {
      ok,
      differences: differences.map(({ what, expected, found, positions, message }) => ({
        what,
        expected: Number(expected),
        found: Number(found),
        positions: positions.map(String),
        message,
      })),
      counters: counters && countsJson(counters),
      rows: rows && countsJson(rows),
      watermark: watermark.toString(),
      last_position: lastPosition.toString(),
      broker_checked: brokerChecked,
    };
  });
}
