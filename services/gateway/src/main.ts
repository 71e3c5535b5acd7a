import { collectLess } from '@eventsieve/runtime/collect-less';
import { runService } from '@eventsieve/runtime/lifecycle';
import { startGateway } from './start.js';

collectLess();
await runService('gateway', startGateway);
