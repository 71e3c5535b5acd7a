import { EraseEventsResponse, QueryServiceService } from '@eventsieve/contract/gen/eventsieve/v1/query';
import fc from 'fast-check';
import type { Random } from '../random.js';
import { shown } from './accepted.js';
import { frameOf, type GrpcLine } from './grpc-line.js';
import { answerFault, exchange } from './http-line.js';
import { mutatedBytes } from './mutations.js';
import { samplesOf } from './send-publishes.js';
import { bytesField, doubleField, wholeField } from './wire.js';

const cursors = [
  '',
  'AQAAAAAAAAAA',
  'AX__________',
  'Af__________',
  'AgAAAAAAAAAA',
  'AQAAAAAAAAA',
  'AQAAAAAAAAAA=',
  '😀',
  'x'.repeat(9_000),
];
/** None is a name under which something is published: one of the questions is to erase a topic. */
const texts = ['', 'orders', 'a\0b', '\n', 'é'.repeat(256), '🙈'.repeat(255), 'x'.repeat(100_000), '%', "'; --"];
const content = fc.oneof(
  fc.constantFrom(...texts, ...cursors).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
);
const wholes = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    100n,
    1000n,
    1001n,
    -1n,
    2n ** 31n - 1n,
    -(2n ** 31n),
    2n ** 63n - 1n,
    -(2n ** 63n),
    2n ** 64n - 1n,
  ),
  fc.bigInt({ min: 0n, max: 3n }),
);
const scalar = fc
  .tuple(fc.integer({ min: 1, max: 13 }), content, wholes, fc.nat(9))
  .map(([field, bytes, whole, kind]) =>
    kind === 0 ? doubleField(field, Number.NaN) : kind < 5 ? bytesField(field, bytes) : wholeField(field, whole),
  );
const flat = fc.array(scalar, { maxLength: 5 }).map((fields) => Buffer.concat(fields));
/** A filter, a timestamp, or packed numbers, wherever they belong. */
const question: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: flat },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 6 }), flat, flat)
      .map(([field, inner, rest]) => Buffer.concat([bytesField(field, inner), rest])),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 2), fc.constantFrom(5, 6), wholes, wholes)
      .map(([filter, at, seconds, nanos]) =>
        bytesField(filter, bytesField(at, Buffer.concat([wholeField(1, seconds), wholeField(2, nanos)]))),
      ),
  },
  { weight: 3, arbitrary: mutatedBytes(flat) },
);

// An audit reads every row: it is asked by hand, at the end.
const paths = Object.values(QueryServiceService)
  .map(({ path }) => path)
  .filter((path) => !path.endsWith('/Reconcile'));
const fine = new Set([0, 3, 4, 5, 8, 14]);
const chunk = 40;

/** Questions to the query service. What it cannot mean is INVALID_ARGUMENT; nothing is INTERNAL. */
export async function askQuestions(line: GrpcLine, random: Random, find: (what: string) => void): Promise<number> {
  for (const bytes of samplesOf(question, random, chunk)) {
    const path = random.pick(paths);
    const endless = path === QueryServiceService.tailEvents.path;
    const { code, message, body, late } = await line.call({ path, data: frameOf(bytes), endless });
    if (late) find(`${path}: no answer to ${shown(bytes)}`);
    else if (code === undefined || !fine.has(code))
      find(`${path}: answered with ${code} (${message}) to ${shown(bytes)}`);
    else if (code === 0 && path === QueryServiceService.eraseEvents.path) {
      const { erased } = EraseEventsResponse.decode(body.subarray(5));
      if (erased > 0n) find(`${path}: erased ${erased} that were published, by ${shown(bytes)}`);
    }
  }
  return chunk;
}

// Not the export, nor the stream: they close their connection, and what comes behind them is not answered.
const places = [
  ...[
    '/events',
    '/events/',
    '/events/orders',
    '/events/orders/1',
    '/events/a/b/c',
    '/stats',
    '/stats/series',
    '/stats/topics',
    '/stats/sources',
    '/duplicates',
    '/dead-letters',
    '/publish',
  ],
  ...[
    '/dead-letters/1',
    '/stats/',
    '//stats',
    '/',
    '',
    '/docs',
    '/openapi.json',
    '/assets/..%2f..',
    '/assets/toString',
    '/redoc',
  ],
];
const pieces = [
  ...[
    '%00',
    '%',
    '%zz',
    '%ff',
    '%C3%A9',
    '%ED%A0%80',
    '%2F',
    '%2e%2e',
    '..',
    '/',
    '//',
    '?',
    '&',
    '=',
    '#',
    ';',
    '+',
    '*',
    '>',
  ],
  ...[
    'topic=orders',
    'topic=',
    'topic=a&topic=b',
    'source=%00',
    'limit=0',
    'limit=1001',
    'limit=1e2',
    'limit=-1',
    'order=up',
  ],
  ...[
    'cursor=AQAAAAAAAAAA',
    'cursor=AX__________',
    'cursor=%F0%9F%98%80',
    '__proto__=1',
    'constructor=',
    '=x',
    'state=open',
  ],
  ...[
    'from=2024-05-01T12:00:00Z',
    'to=never',
    'id=1',
    'wait=stored',
    'topic=a.*',
    'topic=%3E',
    'topic_exact=orders',
    'event_id=1',
    'received_from=2024-05-01T12:00:00Z',
    'payload=%7B%22a%22:1%7D',
    'payload=%5B',
    'step=1h',
    'format=gzip',
    'meta=true',
    'x'.repeat(300),
    '%F0%9F%98%80'.repeat(255),
    'é',
    '\xff',
  ],
];
const url = fc
  .tuple(
    fc.constantFrom(...places),
    fc.constantFrom('', '', '?', '/'),
    fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 3 })), { maxLength: 5 }),
  )
  // A space or a line's end would make it another request, and not another URL.
  .map(([place, between, rest]) => `${place}${between}${rest.join('')}`.replace(/[\s\p{Cc}]/gu, '_'));

const perConnection = 20;

/** URLs of every kind, some in one go over one connection. */
export async function askUrls(address: string, random: Random, find: (what: string) => void): Promise<number> {
  const urls = samplesOf(url, random, perConnection);
  const requests = urls.map((each, i) => {
    const last = i === urls.length - 1 ? 'connection: close\r\n' : '';
    return Buffer.from(`GET ${each.startsWith('/') ? '' : '/'}${each} HTTP/1.1\r\nhost: x\r\n${last}\r\n`, 'latin1');
  });
  const { answers } = await exchange(address, [Buffer.concat(requests)], { quietMs: 5_000 });
  answers.forEach((answer, index) => {
    const fault = answerFault(answer);
    if (fault !== undefined) find(`GET ${JSON.stringify(urls[index]?.slice(0, 400))}: ${fault}`);
  });
  // Node refuses what is no URL at all, and closes: then those after it have no answer.
  if (answers.length < urls.length && answers.at(-1)?.status !== 400) {
    find(`${urls.length} requests got ${answers.length} answers: ${JSON.stringify(urls.slice(0, answers.length + 1))}`);
  }
  return urls.length;
}
