import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uriReferenceOf } from './uri-reference.js';

test.each([
  ['shop', 'shop'],
  ['https://a.example/b?c=d#e', 'https://a.example/b?c=d#e'],
  ['urn:uuid:1', 'urn:uuid:1'],
  ['my shop', 'my%20shop'],
  ['café', 'caf%C3%A9'],
  ['100%', '100%25'],
  ['%20', '%20'],
  ['a#b#c', 'a#b%23c'],
  ['1:2/3:4', '1%3A2/3:4'],
  ['<a|b>"', '%3Ca%7Cb%3E%22'],
])('%s is %s', (text, reference) => {
  expect(uriReferenceOf(text)).toBe(reference);
});

// RFC 3986, without its bounds on what a scheme's own syntax may be.
const character = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const reference = new RegExp(
  `^(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?:${character}|/)*(?:\\?(?:${character}|[/?])*)?(?:#(?:${character}|[/?])*)?$`,
);

test('whatever the text, it is one', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text)),
      (text) => {
        expect(uriReferenceOf(text)).toMatch(reference);
      },
    ),
    { numRuns: 500 },
  );
});
