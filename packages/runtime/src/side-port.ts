import { createServer, type ServerResponse } from 'node:http';
import type { Exposition } from './metrics.js';

export interface SidePortOptions {
  readonly host: string;
  readonly port: number;
  readonly portVariable: string;
  /** Each part that this service leans on, and whether it is there. */
  readonly parts: () => Readonly<Record<string, boolean>>;
  readonly metrics: Exposition;
}

export interface SidePort {
  readonly address: string;
  /** From now on /health says 503, whatever the parts are. */
  drain(): void;
  stop(): Promise<void>;
}

/** The small HTTP port beside a service that speaks something else: GET /health for probes, GET /metrics for Prometheus. */
export async function openSidePort({ host, port, portVariable, parts, metrics }: SidePortOptions): Promise<SidePort> {
  const startedAt = Date.now();
  let draining = false;
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method === 'GET' && path === '/metrics') return void answerMetrics(metrics, response);
    if (request.method !== 'GET' || (path !== '/health' && path !== '/')) {
      return answerError(response, 404, 'not_found', 'only GET /health and GET /metrics are here');
    }
    const state = parts();
    const ok = !draining && Object.values(state).every(Boolean);
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' });
    const body = {
      status: draining ? 'stopping' : ok ? 'healthy' : 'unhealthy',
      ok,
      uptime_seconds: (Date.now() - startedAt) / 1000,
      parts: state,
    };
    response.end(`${JSON.stringify(body)}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`cannot listen on ${host}:${port} (${portVariable}): ${error.message}`)),
    );
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    address: `${host}:${typeof address === 'object' && address ? address.port : port}`,
    drain() {
      draining = true;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answerMetrics({ contentType, text }: Exposition, response: ServerResponse): Promise<void> {
  try {
    const body = await text();
    response.writeHead(200, { 'content-type': contentType });
    response.end(body);
  } catch {
    answerError(response, 500, 'internal', 'the metrics could not be read');
  }
}

function answerError(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ error: { code, message, fields: [] } })}\n`);
}
