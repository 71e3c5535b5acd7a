import { expect, test } from 'vitest';
import { nearest } from './nearest.js';

const names = ['topic', 'topic-exact', 'tls', 'timeout', 'limit', 'received-from'];

test.each([
  ['topci', 'topic'],
  ['tpic', 'topic'],
  ['topicc', 'topic'],
  ['topic-exac', 'topic-exact'],
  ['recieved-form', 'received-from'],
  ['received', 'received-from'],
  ['tsl', 'tls'],
  ['speed', undefined],
  ['x', undefined],
])('%s is meant as %s', (given, name) => {
  expect(nearest(given, names)).toBe(name);
});
