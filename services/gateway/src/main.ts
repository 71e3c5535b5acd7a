import { runService } from '@eventsieve/runtime/lifecycle';
import { startGateway } from './start.js';

await runService('gateway', startGateway);
