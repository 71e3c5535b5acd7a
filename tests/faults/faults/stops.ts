import type { Fault } from './fault.js';
import { anyService, serviceNamed } from './kills.js';

const mostMs = 9_500;

/** SIGTERM under load: it ends well, and in time. */
export const stopService: Fault = {
  kind: 'SIGTERM of a service',
  target: (context) => anyService(context),
  async run(context, name) {
    const service = serviceNamed(context, name);
    const begunAtMs = Date.now();
    const code = await service.end('SIGTERM');
    const tookMs = Date.now() - begunAtMs;
    if (code !== 0) context.find(`${name} ended with ${code} after SIGTERM: ${service.output().slice(-800)}`);
    if (tookMs > mostMs) context.find(`${name} took ${tookMs} ms to end`);
    await context.sleep(context.random.whole(0, 800));
    await service.start();
  },
};
