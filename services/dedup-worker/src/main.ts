import { collectLess } from '@eventsieve/runtime/collect-less';
import { runService } from '@eventsieve/runtime/lifecycle';
import { startWorker } from './start.js';

collectLess();
await runService('dedup-worker', startWorker);
