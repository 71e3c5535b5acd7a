import { pathText } from '@eventsieve/runtime/json-text';
import { readJsonTree } from '@eventsieve/runtime/json-text-tree';
import { type ReadEvent, readEvent } from './read-event.js';
import { maxDepth, maxMembers, type ReadRequest, tooManyEvents } from './read-events.js';

/** What an export adds when it is asked for more than the event. */
const ofExports = ['id', 'received_at'];

/** One event a line, as an export writes them. Each line stands for itself: one that is no JSON is one bad event. */
export function readLines(text: string, maxEvents: number): ReadRequest {
  const events: ReadEvent[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    if (/^[ \t\r]*$/.test(line)) continue;
    if (events.length === maxEvents) throw tooManyEvents(maxEvents);
    events.push(readLine(line));
  }
  return { single: false, events };
}

function readLine(line: string): ReadEvent {
  const result = readJsonTree(line, { maxDepth, maxItems: maxMembers, maxMembers, wholeLists: true });
  if ('node' in result) return readEvent(line, result.node, ofExports);
  return { faults: [{ field: pathText(result.path), message: result.message }], topic: '', eventId: '' };
}
