import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type RouteDeps, serveRoutes } from '../src/http/routes.js';
import { createApp } from '../src/http/server.js';
import { openApiDocument } from '../src/openapi/document.js';
import { silent } from './query-fixture.js';

/** What Fastify itself says it serves; nothing is asked, so nothing is needed. */
function servedRoutes(): string[] {
  const routes: string[] = [];
  let ours = true;
  createApp({
    maxRequestBytes: 1_000,
    logger: silent,
    serve: (app) => {
      app.addHook('onRoute', ({ method, url }) => {
        if (ours) for (const each of [method].flat()) routes.push(`${each} ${url.replace(/:(\w+)/g, '{$1}')}`);
      });
      serveRoutes(app, { bridge: {}, queries: {}, metrics: {} } as RouteDeps);
      ours = false;
    },
  });
  return routes.filter((route) => !route.startsWith('HEAD '));
}

test('the document has every route, and no other', () => {
  const documented = Object.entries(openApiDocument.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(documented.length).toBeGreaterThan(10);
  expect(servedRoutes().sort()).toEqual(documented.sort());
});

test('the document is of this version, and names each operation once', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  expect(openApiDocument.info.version).toBe(version);
  const names = Object.values(openApiDocument.paths).flatMap((each) =>
    Object.values(each).map(({ operationId }) => operationId),
  );
  expect(new Set(names).size).toBe(names.length);
});
