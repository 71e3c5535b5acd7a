import { openGrpcDoor } from './grpc-door.js';
import { openHttpDoor } from './http-door.js';
import type { LoadPlan } from './plan.js';
import { openProducerDoor } from './producer-door.js';
import { type Door, runLoad } from './run-load.js';
import { openStreamDoor } from './stream-door.js';

// A process of its own, so that the load's costs are its own. It runs one plan after the other and ends with its parent.

const doors: Record<LoadPlan['door'], (plan: LoadPlan) => Door> = {
  grpc: openGrpcDoor,
  'grpc-stream': openStreamDoor,
  http: openHttpDoor,
  producer: openProducerDoor,
};

process.on('message', async (plan: LoadPlan) => {
  try {
    const door = doors[plan.door](plan);
    const result = await runLoad(plan, door);
    door.close();
    process.send?.({ result });
  } catch (error) {
    process.send?.({ problem: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
