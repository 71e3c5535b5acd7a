// Stands in for any of the services: says that it is ready, and ends when it is told to, or not (STUB_STUBBORN, STUB_SILENT).
import { createServer } from 'node:http';

const stubborn = process.env.STUB_STUBBORN === '1';
const server = createServer((_, response) => response.end('stub'));
server.listen(0, '127.0.0.1', () => {
  if (process.env.STUB_SILENT === '1') return process.stdout.write('stub waits for something\n');
  process.send({ type: 'ready', service: 'stub', addresses: { metrics: `127.0.0.1:${server.address().port}` } });
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stubborn || process.exit(0));
process.on('disconnect', () => stubborn || process.exit(0));
