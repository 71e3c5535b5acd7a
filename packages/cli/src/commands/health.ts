import type { Health, ServerHealth } from '@eventsieve/client';
import { connectionFlags, jsonFlag, withClient } from '../connection.js';
import { defineCommand } from '../define-command.js';
import { exitCodes } from '../exit-codes.js';

export const health = defineCommand({
  name: 'health',
  summary: 'ask both servers whether they serve',
  about: `A server that is not_serving answers, and lacks something, such as Postgres. The exit code is 1 when one of them does
not serve, 3 when one cannot be reached.`,
  flags: [jsonFlag, ...connectionFlags],
  examples: ['eventsieve health', 'until eventsieve health --timeout 1s; do sleep 1; done'],
  run(given, context) {
    return withClient(given, context, async (client) => {
      const found = await client.health({ signal: context.interrupted });
      if (given.isOn('json')) context.say(healthJson(found));
      else {
        const { gateway, query } = found;
        for (const [name, server] of Object.entries({ gateway, query })) {
          const paint = server.status === 'serving' ? context.paint.green : context.paint.red;
          context.say(`${name.padEnd(8)} ${server.address}  ${paint(server.status)}${reasonOf(server)}`);
        }
      }
      return codeOf(found);
    });
  },
});

function reasonOf({ error, parts }: ServerHealth): string {
  if (error !== undefined) return `: ${error.message}`;
  const missing = Object.keys(parts).filter((part) => !parts[part]);
  return missing.length === 0 ? '' : `, without ${missing.join(' and ')}`;
}

function codeOf({ ok, gateway, query }: Health): number {
  if (ok) return exitCodes.done;
  const isUnreachable = gateway.status === 'unreachable' || query.status === 'unreachable';
  return isUnreachable ? exitCodes.unreachable : exitCodes.failed;
}

function healthJson({ ok, gateway, query }: Health): string {
  const server = ({ address, status, parts, error }: ServerHealth) => ({
    address,
    status,
    parts,
    ...(error === undefined ? {} : { error: { code: error.code.toLowerCase(), message: error.message } }),
  });
  return JSON.stringify({ ok, gateway: server(gateway), query: server(query) });
}
