import { expect, test } from 'vitest';
import { createStreamWindow } from './stream-window.js';

const isOpen = async (room: Promise<void>) => {
  let open = false;
  void room.then(() => {
    open = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return open;
};

test('there is room until as many requests are open as may be, and again when one is closed', async () => {
  const window = createStreamWindow({ requests: 2, copies: 100 });
  const close = window.open(1);
  expect(await isOpen(window.room())).toBe(true);
  window.open(1);
  const room = window.room();
  expect(await isOpen(room)).toBe(false);
  close();
  expect(await isOpen(room)).toBe(true);
});

test('a large request is let in, and nothing behind it before it has been answered', async () => {
  const window = createStreamWindow({ requests: 10, copies: 100 });
  const close = window.open(1_000);
  const room = window.room();
  expect(await isOpen(room)).toBe(false);
  close();
  expect(await isOpen(room)).toBe(true);
});
