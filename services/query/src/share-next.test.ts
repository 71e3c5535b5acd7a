import { expect, it } from 'vitest';
import { shareNext } from './share-next.js';

function controlled() {
  const runs: { resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  const ask = shareNext(() => new Promise<number>((resolve, reject) => runs.push({ resolve, reject })));
  return { runs, ask };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

it('answers a thousand callers with two runs, and none with a run that began before it asked', async () => {
  const { runs, ask } = controlled();
  const first = ask();
  const later = Array.from({ length: 1000 }, () => ask());
  expect(runs).toHaveLength(1);
  runs[0]?.resolve(1);
  await turn();
  expect(runs).toHaveLength(2);
  runs[1]?.resolve(2);
  expect(await first).toBe(1);
  expect(new Set(await Promise.all(later))).toEqual(new Set([2]));
  void ask();
  expect(runs).toHaveLength(3);
});

it('goes on after a run that failed', async () => {
  const { runs, ask } = controlled();
  const first = ask();
  const second = ask();
  runs[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await turn();
  runs[1]?.resolve(7);
  expect(await second).toBe(7);
});
