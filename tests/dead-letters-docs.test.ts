import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  DeadLetterFilter,
  DiscardDeadLettersRequest,
  GetDeadLetterRequest,
  ListDeadLettersRequest,
  RedriveDeadLettersRequest,
} from '@eventsieve/contract/gen/eventsieve/v1/dead_letter';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drained } from './support/exactness.js';
import { type System, startSystem } from './support/system.js';
import { waitUntil } from './support/wait-until.js';

const run = promisify(execFile);
const document = readFileSync(fileURLToPath(new URL('../docs/operations.md', import.meta.url)), 'utf8');
const section = document.split('\n## Dead letters\n')[1]?.split('\n## ')[0] ?? '';
const lines = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.trim().split('\n'));
const curls = lines.filter((line) => line.startsWith('curl '));
const grpcurls = lines.filter((line) => line.startsWith('grpcurl '));

let system: System;
beforeAll(async () => {
  system = await startSystem();
  const broker = await connect({ servers: system.natsUrl });
  await waitUntil('the stream is there', () => system.database.value('select max(epoch) from epochs'));
  for (let i = 0; i < 20; i++) broker.publish(`${system.names.eventSubjectPrefix}orders`, Buffer.from([0x0a, 0xff]));
  await broker.drain();
  await drained(system, 20);
});
afterAll(() => system.stop());

test('there are lines for both doors, and no others', () => {
  expect(curls.length).toBeGreaterThan(6);
  expect(grpcurls.length).toBeGreaterThan(3);
  expect(lines).toHaveLength(curls.length + grpcurls.length);
});

test.each(curls)('%s', async (line) => {
  const pasted = line.replace('localhost:8080', system.http);
  const { stdout } = await run('sh', ['-c', `${pasted} --silent --fail-with-body`]);
  expect(JSON.parse(stdout)).not.toHaveProperty('error');
});

const requests = { ListDeadLettersRequest, GetDeadLetterRequest, RedriveDeadLettersRequest, DiscardDeadLettersRequest };

test.each(grpcurls)('%s', (line) => {
  const [, text = '', method = ''] = /-d '(.*)' localhost:50052 eventsieve\.v1\.QueryService\/(\w+)$/.exec(line) ?? [];
  expect(Object.keys(requests)).toContain(`${method}Request`);
  const { filter = {}, ...given } = JSON.parse(text) as { filter?: object };
  const known = Object.keys(requests[`${method}Request` as keyof typeof requests].decode(new Uint8Array(0)));
  for (const key of Object.keys(given)) expect(known).toContain(key);
  for (const key of Object.keys(filter)) expect(Object.keys(DeadLetterFilter.decode(new Uint8Array(0)))).toContain(key);
});
