import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';

const service = `
  import { openBrokerLink } from '@eventsieve/runtime/broker-link';
  const say = () => undefined;
  openBrokerLink({
    url: process.env.NATS_URL,
    name: 'test',
    logger: { info: say, warn: say },
    onUp(connection) {
      connection.subscribe('taken.badly', { callback() { throw new Error('a bug of the service'); } });
      connection.publish('taken.badly');
    },
  });
`;

test('a bug that shows while a message is taken ends the process, as every other bug does', async () => {
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', service], {
    cwd: new URL('..', import.meta.url),
    env: { PATH: process.env.PATH, NATS_URL: inject('natsUrl') },
    timeout: 6_000,
  });
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('Error: a bug of the service') });
});
