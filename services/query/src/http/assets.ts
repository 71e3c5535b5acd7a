import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EventsieveError } from '@eventsieve/contract/errors';
import type { FastifyInstance } from 'fastify';

interface Asset {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly type: string;
}

const script = 'text/javascript; charset=utf-8';

const fromPackages: Readonly<Record<string, readonly [packageName: string, path: string, type: string]>> = {
  'swagger-ui.css': ['swagger-ui-dist', 'swagger-ui.css', 'text/css; charset=utf-8'],
  'swagger-ui-bundle.js': ['swagger-ui-dist', 'swagger-ui-bundle.js', script],
  'favicon-32x32.png': ['swagger-ui-dist', 'favicon-32x32.png', 'image/png'],
  'redoc.standalone.js': ['redoc', 'bundles/redoc.standalone.js', script],
};

const own: Readonly<Record<string, string>> = {
  // Without validatorUrl: null the page would show the document to a service of others.
  'start-swagger-ui.js':
    "SwaggerUIBundle({ url: 'openapi.json', dom_id: '#page', deepLinking: true, validatorUrl: null });\n",
  'start-redoc.js': "Redoc.init('openapi.json', {}, document.getElementById('page'));\n",
};

/** Only these few names, whatever a path says. Each is read once, when it is first asked for. */
export function serveAssets(app: FastifyInstance): void {
  const { resolve } = createRequire(import.meta.url);
  const loaded = new Map<string, Promise<Asset>>();

  function load(name: string): Promise<Asset> | undefined {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const text = Object.hasOwn(own, name) ? own[name] : undefined;
    const file = Object.hasOwn(fromPackages, name) ? fromPackages[name] : undefined;
    let asset: Promise<Asset> | undefined;
    if (text !== undefined) asset = Promise.resolve(assetOf(Buffer.from(text), script));
    else if (file !== undefined) {
      const [packageName, path, type] = file;
      const folder = dirname(resolve(`${packageName}/package.json`));
      asset = readFile(join(folder, path)).then((bytes) => assetOf(bytes, type));
      asset.catch(() => loaded.delete(name));
    }
    if (asset !== undefined) loaded.set(name, asset);
    return asset;
  }

  app.get<{ Params: { name: string } }>('/assets/:name', async (request, reply) => {
    const asset = await load(request.params.name);
    if (asset === undefined) throw new EventsieveError('NOT_FOUND', 'there is nothing here');
    reply.header('etag', asset.etag).header('cache-control', 'public, max-age=86400');
    reply.header('x-content-type-options', 'nosniff');
    if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send();
    return reply.type(asset.type).send(asset.bytes);
  });
}

function assetOf(bytes: Buffer, type: string): Asset {
  return { bytes, type, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}
