import { expect, test } from 'vitest';
import { prefers } from './prefers.js';

test.each([
  [undefined, false],
  ['*/*', false],
  ['application/*', false],
  ['application/json', false],
  ['application/cloudevents+json', true],
  ['Application/CloudEvents+JSON; charset=utf-8', true],
  ['text/html, application/cloudevents+json;q=0.3, */*;q=0.1', true],
  ['application/cloudevents+json, application/json', true],
  ['application/cloudevents+json;q=0.5, application/json;q=0.9', false],
  ['application/cloudevents+json;q=0', false],
  ['application/cloudevents+json;q=x', false],
  ['application/cloudevents-batch+json', false],
])('%s: %s', (accept, preferred) => {
  expect(prefers(accept, 'application/cloudevents+json')).toBe(preferred);
});
