import { runService } from '@eventsieve/runtime/lifecycle';
import { startWorker } from './start.js';

await runService('dedup-worker', startWorker);
