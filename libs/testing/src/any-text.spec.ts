import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyText } from './any-text.js';

/** Half of a surrogate pair, which is no character. */
const HALF = /[\ud800-\udfff]/u;

describe('any text', () => {
  it('is of whole characters, from all planes', () => {
    const texts = fc.sample(anyText({ minLength: 1 }), 200);
    expect(texts.filter((text) => HALF.test(text))).toEqual([]);
    const points = texts.flatMap((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
    expect(points.filter((point) => point < 0xd800)).not.toEqual([]);
    expect(points.filter((point) => point > 0xffff)).not.toEqual([]);
  });

  it.each(['__proto__', '\u{d7ff}\u{e000}', '\0\u{10ffff}'])('may be %j', (text) => {
    expect(anyText().canShrinkWithoutContext(text)).toBe(true);
  });

  it('is nothing that cannot be written as UTF-8', () => {
    expect(anyText().canShrinkWithoutContext('\ud800')).toBe(false);
    expect(anyText({ maxLength: 1 }).canShrinkWithoutContext('ab')).toBe(false);
  });
});
