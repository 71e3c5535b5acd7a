import { collectLess } from '@eventsieve/runtime/collect-less';
import { runService } from '@eventsieve/runtime/lifecycle';
import { startQuery } from './start.js';

collectLess();
await runService('query', startQuery);
