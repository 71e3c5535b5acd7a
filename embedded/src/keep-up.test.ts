import { expect, test } from 'vitest';
import { type Ending, keepUp, type Part } from './keep-up.js';

function scripted(endings: (Ending & { serves?: boolean })[]) {
  const lines: string[] = [];
  const startedAt: number[] = [];
  const stop = new AbortController();
  const part: Part = {
    name: 'part',
    async live(ready) {
      startedAt.push(Date.now());
      const ending = endings.shift();
      if (ending === undefined) {
        stop.abort();
        return { how: 'stopped' };
      }
      if (ending.serves !== false) ready('pid 1');
      return ending;
    },
  };
  return { part, lines, startedAt, stop, say: (line: string) => void lines.push(line) };
}

test('whatever ends is started again, later each time, and each time with a line', async () => {
  const { part, lines, startedAt, stop, say } = scripted([{ how: 'one' }, { how: 'two' }, { how: 'three' }]);
  await keepUp(part, say, stop.signal).over;
  expect(lines.filter((line) => line.includes('ended'))).toEqual([
    'part ended (one), starting it again in 0.1 s',
    'part ended (two), starting it again in 0.2 s',
    'part ended (three), starting it again in 0.4 s',
  ]);
  expect(lines.filter((line) => line === 'part is up again (pid 1)')).toHaveLength(2);
  const pauses = startedAt.slice(1).map((at, i) => at - (startedAt[i] ?? 0));
  expect(pauses[0]).toBeLessThan(5_000);
  expect(pauses[2]).toBeGreaterThan(350);
});

test('a part that refuses its first start is not tried again', async () => {
  const { part, startedAt, stop, say } = scripted([{ how: 'exit code 1', refused: true, serves: false }]);
  const kept = keepUp(part, say, stop.signal);
  await expect(kept.firstReady).rejects.toThrow('part could not start (exit code 1).');
  await kept.over;
  expect(startedAt).toHaveLength(1);
});

test('a part that is killed before it first served, or ends by itself later, is tried again', async () => {
  const { part, startedAt, stop, say } = scripted([
    { how: 'signal SIGKILL', serves: false },
    { how: 'exit code 1', refused: true },
  ]);
  const kept = keepUp(part, say, stop.signal);
  await kept.firstReady;
  await kept.over;
  expect(startedAt).toHaveLength(3);
});

test('nothing is started again once it is stopping', async () => {
  const { part, lines, startedAt, stop, say } = scripted([{ how: 'one' }, { how: 'two' }]);
  const kept = keepUp(
    part,
    (line) => {
      say(line);
      stop.abort();
    },
    stop.signal,
  );
  await kept.over;
  expect(startedAt).toHaveLength(1);
  expect(lines).toHaveLength(1);
});
