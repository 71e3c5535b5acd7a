import { collectLess } from '@eventsieve/runtime/collect-less';
import { runService } from '@eventsieve/runtime/lifecycle';
import { startWorker } from './start.js';

collectLess({ growsTo: 4 });
await runService('dedup-worker', startWorker);
