import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiDocument } from '../services/query/src/openapi/document.js';
import type { Operation, Schema } from '../services/query/src/openapi/parts.js';
import { drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

let system: System;
beforeAll(async () => {
  system = await startSystem();
  // The examples of dead letters are about this one.
  const broker = await connect({ servers: system.natsUrl });
  const subject = `${system.names.eventSubjectPrefix}orders`;
  await waitUntil('the stream takes it', () => jetstream(broker).publish(subject, Buffer.from([0x0a, 0xff, 0xff])));
  await broker.close();
  await drained(system, 1);
});
afterAll(() => system.stop());

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(openApiDocument, 'api');

function expectOf(schema: Schema, value: unknown, what: string): void {
  const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/'));
  const fits = ajv.compile(local);
  expect(fits(value) ? [] : fits.errors, `${what}: ${JSON.stringify(value)}`).toEqual([]);
}

const operations = Object.entries(openApiDocument.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): [string, string, Operation] => [method, path, operation]),
);

interface NamedExample {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
  readonly name: string;
  readonly status: number;
  readonly type: string;
  readonly schema: Schema;
  readonly documented: unknown;
}

/** Every example of an answer; that of its request has the same name. */
const examples: NamedExample[] = operations.flatMap(([method, path, operation]) => {
  const found = Object.entries(operation.responses).flatMap(([status, { content = {} }]) =>
    Object.entries(content).flatMap(([type, { schema, examples: named = {} }]) =>
      Object.entries(named).map(([name, { value }]) => ({
        method,
        path,
        operation,
        name,
        status: Number(status),
        type,
        schema,
        documented: value,
      })),
    ),
  );
  // In the order of the requests: a repeat must come after what it repeats.
  const order = Object.keys(bodiesOf(operation));
  return found.sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
});

interface Body {
  readonly type: string;
  readonly value: unknown;
  readonly schema: Schema;
}

function bodiesOf({ requestBody }: Operation): Record<string, Body> {
  return Object.fromEntries(
    Object.entries(requestBody?.content ?? {}).flatMap(([type, { schema, examples: named = {} }]) =>
      Object.entries(named).map(([name, { value }]) => [name, { type, value, schema }]),
    ),
  );
}

function ask({ method, path, operation, name, type }: NamedExample): Promise<Response> {
  let target = path;
  const query = new URLSearchParams();
  const headers: Record<string, string> = type.includes('cloudevents') ? { accept: type } : {};
  for (const { name: parameter, in: where, examples: named = {} } of operation.parameters ?? []) {
    const value = named[name]?.value;
    if (value === undefined) continue;
    if (where === 'path') target = target.replace(`{${parameter}}`, encodeURIComponent(String(value)));
    else if (where === 'header') headers[parameter] = String(value);
    else query.set(parameter, String(value));
  }
  const body = bodiesOf(operation)[name];
  const init =
    body === undefined
      ? { headers }
      : {
          headers: { ...headers, 'content-type': body.type },
          body: isJson(body.type) ? JSON.stringify(body.value) : String(body.value),
        };
  return fetch(`${system.http}${target}?${query}`, { method: method.toUpperCase(), ...init });
}

function isJson(type: string | null): boolean {
  return /[/+]json\b/.test(type ?? '');
}

test('there are examples, and each of a request has one of an answer', () => {
  expect(examples.length).toBeGreaterThan(12);
  for (const [method, path, operation] of operations) {
    const requested = [
      ...Object.keys(bodiesOf(operation)),
      ...(operation.parameters ?? []).flatMap(({ examples: named = {} }) => Object.keys(named)),
    ];
    const answered = examples.filter((each) => each.method === method && each.path === path).map(({ name }) => name);
    expect(requested.filter((name) => !answered.includes(name))).toEqual([]);
  }
});

// vitest keeps the order within a file.
test.each(examples.map((each) => [each.method, each.path, each.name, each] as const))(
  '%s %s: the example "%s" gets the status and the shape that stand there',
  async (method, path, name, example) => {
    expectOf(example.schema, example.documented, 'the document');
    // Until then nobody can say of an event that it was never seen.
    await drained(system);
    const response = await ask(example);
    const type = response.headers.get('content-type');
    const body: unknown = isJson(type) ? await response.json() : await response.text();
    expect({ status: response.status, body }).toMatchObject({ status: example.status });
    expect(type?.split(';')[0]).toBe(example.type);
    expectOf(example.schema, body, 'the answer');
    if (example.status === 400 || example.status === 404) expect(body).toEqual(example.documented);
    if (path === '/publish' && example.status < 400) expect(verdicts(body)).toEqual(verdicts(example.documented));
    if (method === 'post' && example.status < 400 && name !== 'partial') {
      const given = bodiesOf(example.operation)[name];
      if (given !== undefined) expectOf(given.schema, given.value, 'the request');
    }
  },
);

/** What does not depend on when an example is asked. */
function verdicts(answer: unknown) {
  const { message, inserted, conflicts, results } = answer as {
    [key: string]: unknown;
    results: { outcome: string; error?: unknown }[];
  };
  return { message, inserted, conflicts, results: results.map(({ outcome, error }) => ({ outcome, error })) };
}

describe.each(operations)('%s %s', (method, path, operation) => {
  test('knows exactly the parameters that stand there', async () => {
    if (path === '/metrics' || path.startsWith('/assets/')) return;
    const target = path.replaceAll(/\{\w+\}/g, 'x');
    const init =
      method !== 'post'
        ? { method: method.toUpperCase() }
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    const response = await fetch(`${system.http}${target}?nope=1`, path === '/stats/reset' ? { method: 'POST' } : init);
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    const names = (operation.parameters ?? []).filter((each) => each.in === 'query').map(({ name }) => name);
    const known = names.length === 0 ? 'there are none here' : `known are ${names.join(', ')}`;
    expect(error.message).toBe(`nope: is not a parameter: ${known}`);
  });

  test('answers with a type that stands there', async () => {
    if (method !== 'get' || path.includes('{')) return;
    const response = await fetch(system.http + path);
    expect(response.status).toBe(200);
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    expect(Object.keys(operation.responses['200']?.content ?? {})).toContain(type);
  });
});

test('GET /openapi.json is the document', async () => {
  expect(await (await fetch(`${system.http}/openapi.json`)).json()).toEqual(
    JSON.parse(JSON.stringify(openApiDocument)),
  );
});

test('every reference within the document leads somewhere', () => {
  const references = [...JSON.stringify(openApiDocument).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  );
  expect(references.length).toBeGreaterThan(10);
  for (const name of references) expect(Object.keys(openApiDocument.components.schemas)).toContain(name);
});

test.each(['/docs', '/redoc'])('%s loads only what is served here, and runs nothing inline', async (path) => {
  const page = await fetch(system.http + path);
  const html = await page.text();
  expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=| on\w+=/);
  const references = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, reference]) => reference ?? '');
  expect(references.length).toBeGreaterThan(2);
  for (const reference of references) {
    const url = new URL(reference, page.url);
    expect(url.origin).toBe(system.http);
    const asset = await fetch(url);
    const text = await asset.text();
    expect({ reference, status: asset.status, empty: text === '' }).toEqual({ reference, status: 200, empty: false });
    const etag = asset.headers.get('etag') ?? '';
    expect(asset.headers.get('cache-control')).toContain('max-age');
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
    if (url.pathname.endsWith('.css')) expect(text).not.toMatch(/@import|url\(\s*["']?(?!data:|#|["'])/);
    if (url.pathname.includes('start-')) expect(text).toMatch(/'openapi\.json'/);
  }
});

test.each(['package.json', '..%2Fpackage.json', '__proto__', 'swagger-ui.css.map', 'constructor', '%00'])(
  'nothing else is served as an asset: %s',
  async (name) => {
    expect((await fetch(`${system.http}/assets/${name}`)).status).toBe(404);
  },
);
