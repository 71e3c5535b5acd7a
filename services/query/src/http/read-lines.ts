import { pathText } from '@eventsieve/runtime/json-text';
import { readJsonTree } from '@eventsieve/runtime/json-text-tree';
import { type ReadEvent, readEvent } from './read-event.js';
import { maxDepth, maxMembers, type ReadRequest, tooManyEvents } from './read-events.js';

/** What an export adds when it is asked for more than the event. */
const ofExports = ['id', 'received_at'];

/** One event a line, as an export writes them. Each line stands for itself: one that is no JSON is one bad event. */
export function readLines(text: string, maxEvents: number): ReadRequest {
  const events: ReadEvent[] = [];
  for (let start = 0; ; ) {
    start = afterBlankLines(text, start);
    if (start === text.length) break;
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const line = text.slice(start, end);
    start = newline === -1 ? end : end + 1;
    if (events.length === maxEvents) throw tooManyEvents(maxEvents);
    events.push(readLine(line));
  }
  return { single: false, events };
}

/** Where the line of the next letter begins. One search: a step for each blank line would hold up everybody else. */
function afterBlankLines(text: string, start: number): number {
  const letter = /[^ \t\r\n]/g;
  letter.lastIndex = start;
  const found = letter.exec(text);
  if (found === null) return text.length;
  return found.index === start ? start : Math.max(start, text.lastIndexOf('\n', found.index - 1) + 1);
}

function readLine(line: string): ReadEvent {
  const result = readJsonTree(line, { maxDepth, maxItems: maxMembers, maxMembers, wholeLists: true });
  if ('node' in result) return readEvent(line, result.node, ofExports);
  return { faults: [{ field: pathText(result.path), message: result.message }], topic: '', eventId: '' };
}
