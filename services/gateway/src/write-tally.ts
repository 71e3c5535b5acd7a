import { Tally, type TallyGroup } from '@eventsieve/contract/gen/eventsieve/wire/v1/message';
import type { Caller } from './caller.js';
import type { Gateway } from './gateway.js';
import type { OutgoingMessage } from './publisher.js';
import { failureOf } from './refusals.js';
import { sendInOrder } from './send-in-order.js';
import type { ValidEvent } from './validate/validate-event.js';

const maxTallyBytes = 256 * 1024;

/**
 * Writes down copies that the broker's window dropped: nothing else would ever count them. Only when this is durable may
 * they be answered as duplicates.
 */
export async function writeTally(gateway: Gateway, dropped: readonly ValidEvent[], caller: Caller): Promise<void> {
  const messages = tallyMessages(dropped, gateway.names.tallySubject);
  const failure = failureOf(await sendInOrder(gateway, messages, caller));
  if (failure) throw failure;
  gateway.metrics.droppedByBroker(dropped.length, messages.length);
}

function tallyMessages(dropped: readonly ValidEvent[], subject: string): OutgoingMessage[] {
  const messages: OutgoingMessage[] = [];
  let groups = new Map<string, TallyGroup>();
  let bytes = 0;
  const flush = () => {
    messages.push({ subject, body: Tally.encode({ groups: [...groups.values()] }).finish(), header: undefined });
    groups = new Map();
    bytes = 0;
  };
  for (const event of dropped) {
    const topic = Buffer.from(event.topic).toString();
    const source = Buffer.from(event.source).toString();
    // Neither can hold a control character.
    const key = `${topic}\n${source}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = { topic, source, eventIds: [] };
      groups.set(key, group);
      bytes += event.topic.length + event.source.length;
    }
    group.eventIds.push(Buffer.from(event.eventId).toString());
    bytes += event.eventId.length + 4;
    if (bytes > maxTallyBytes) flush();
  }
  if (groups.size > 0) flush();
  return messages;
}
