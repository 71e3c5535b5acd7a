import type { EventLimits } from '@eventsieve/gateway/config';

/** What the doors take by default. */
export const limits: EventLimits = { maxEventsPerRequest: 1000, maxEventBytes: 512 * 1024, maxPayloadDepth: 64 };
