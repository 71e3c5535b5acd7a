import { createServer } from 'node:http';

export interface SidePortOptions {
  readonly host: string;
  readonly port: number;
  readonly portVariable: string;
  /** Each part that this service leans on, and whether it is there. */
  readonly parts: () => Readonly<Record<string, boolean>>;
}

export interface SidePort {
  readonly address: string;
  stop(): Promise<void>;
}

/** The small HTTP port beside a service that speaks something else: GET /health for probes. */
export async function openSidePort({ host, port, portVariable, parts }: SidePortOptions): Promise<SidePort> {
  const startedAt = Date.now();
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' || (path !== '/health' && path !== '/')) {
      response.writeHead(404, { 'content-type': 'application/json' });
      return void response.end('{"error":{"code":"not_found","message":"only GET /health is here","fields":[]}}\n');
    }
    const state = parts();
    const ok = Object.values(state).every(Boolean);
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json' });
    const body = {
      status: ok ? 'healthy' : 'unhealthy',
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
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
