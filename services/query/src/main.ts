import { collectLess } from '@eventsieve/runtime/collect-less';
import { runService } from '@eventsieve/runtime/lifecycle';
import { startQuery } from './start.js';

// What followers and pages under way hold may be a lot here.
collectLess({ growsTo: 2 });
await runService('query', startQuery);
