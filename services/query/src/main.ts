import { runService } from '@eventsieve/runtime/lifecycle';
import { startQuery } from './start.js';

await runService('query', startQuery);
