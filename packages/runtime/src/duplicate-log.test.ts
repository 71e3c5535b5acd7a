import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDuplicateLog, type DuplicateLog } from './duplicate-log.js';

let lines: Record<string, unknown>[];
let log: DuplicateLog;
const duplicate = (eventId: string, conflict = false) => ({
  topic: 'orders',
  eventId,
  source: 'shop',
  conflict,
  by: 'store' as const,
});

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  log = createDuplicateLog(pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) }), 2);
});
afterEach(() => {
  log.stop();
  vi.useRealTimers();
});

test('each duplicate is a warning with topic, event_id and source', () => {
  log.add(() => duplicate('e1'));
  log.add(() => duplicate('e2', true));
  expect(lines).toMatchObject([
    { level: 40, topic: 'orders', event_id: 'e1', source: 'shop', by: 'store', msg: 'duplicate dropped' },
    { level: 40, event_id: 'e2', msg: expect.stringContaining('differs') },
  ]);
});

test('beyond so many lines a second they are counted, and not even described', () => {
  const describe = vi.fn(() => duplicate('e'));
  for (let i = 0; i < 7; i++) log.add(describe);
  expect(describe).toHaveBeenCalledTimes(2);
  expect(lines).toHaveLength(2);
  vi.advanceTimersByTime(1_000);
  expect(lines.at(-1)).toMatchObject({ level: 40, left_out: 5 });
  log.add(() => duplicate('next second'));
  expect(lines.at(-1)).toMatchObject({ event_id: 'next second' });
  vi.advanceTimersByTime(1_000);
  expect(lines).toHaveLength(4);
});
