import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { Glob } from './glob.js';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const matches = (pattern: string, text: string, ignoreCase = false) =>
  Glob.compile(bytes(pattern), { ignoreCase })?.matches(bytes(text));

describe('glob patterns', () => {
  it.each<[string, string[], string[]]>([
    ['', [''], ['a']],
    ['*', ['', 'a', 'abc'], []],
    ['**', ['', 'abc'], []],
    ['a', ['a'], ['', 'b', 'aa', 'A']],
    ['a*', ['a', 'abc'], ['', 'ba']],
    ['*a', ['a', 'ba', 'aba'], ['ab']],
    ['a*b*c', ['abc', 'axbxc', 'abcbc'], ['acb', 'ab']],
    ['?', ['a', '\xff', '\0'], ['', 'ab']],
    ['h?llo', ['hello', 'hallo'], ['hllo']],
    ['[abc]', ['a', 'b', 'c'], ['d', '', 'ab']],
    ['[^abc]', ['d', '^'], ['a', '']],
    ['[a-c]', ['a', 'b', 'c'], ['d', '-']],
    ['[c-a]', ['a', 'b', 'c'], ['d']],
    // The bracket is the end of the range here, so nothing closes the class.
    ['[a-]', ['a', ']', '^'], ['-', 'b']],
    ['[\\]]', [']'], ['\\']],
    ['[\\a-c]', ['a', '-', 'c'], ['b', '\\']],
    ['[]', [], ['', 'a', ']']],
    ['[^]', ['a', ']'], ['']],
    ['[a', ['a'], ['[a', 'b']],
    ['[', [], ['', '[']],
    ['\\*', ['*'], ['a', '\\*']],
    ['a\\', ['a\\'], ['a']],
    ['\\\\', ['\\'], ['\\\\']],
    ['\xe4*', ['\xe4\xf6'], ['\xe5']],
  ])('%j', (pattern, matching, others) => {
    for (const text of matching) expect([text, matches(pattern, text)]).toEqual([text, true]);
    for (const text of others) expect([text, matches(pattern, text)]).toEqual([text, false]);
  });

  it('can ignore case, in ranges too', () => {
    expect(matches('CLIENT|*', 'client|id', true)).toBe(true);
    expect(matches('[A-C]x', 'BX', true)).toBe(true);
    expect(matches('[^A-C]x', 'bx', true)).toBe(false);
  });

  it('agree with the definition, tried by recursion', () => {
    const alphabet = fc.constantFrom('a', 'b', '*', '?', '\\', '[ab]', '[^a]', '[b-a]');
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 8 }),
        fc.array(fc.constantFrom('a', 'b', '\\', '*'), { maxLength: 8 }),
        (pattern, text) => {
          expect(matches(pattern.join(''), text.join(''))).toBe(
            byDefinition(pattern.join(''), text.join('')),
          );
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('take time in proportion to pattern times text, at most', () => {
    const text = Buffer.alloc(1024, 'a');
    for (const pattern of [
      '*a'.repeat(30) + 'b',
      `${'*a'.repeat(500)}b`,
      'a*'.repeat(32_000),
      '*?'.repeat(512) + 'b',
    ]) {
      const glob = Glob.compile(Buffer.from(pattern));
      const start = performance.now();
      expect(glob?.matches(text)).toBe(false);
      // About a million steps; a matcher that backtracks through all stars would not come back.
      expect(performance.now() - start).toBeLessThan(1000);
    }
  });

  it('have a bound', () => {
    expect(Glob.compile(Buffer.alloc(64 * 1024, 'a'))).toBeDefined();
    expect(Glob.compile(Buffer.alloc(64 * 1024 + 1, 'a'))).toBeUndefined();
  });

  it('tell the prefix that every match has, and whether everything matches', () => {
    const prefix = (pattern: string) => Glob.compile(bytes(pattern))?.literalPrefix.toString('latin1');
    expect(['user:*', 'a\\*b?', '*a', '[a]b', 'abc', ''].map(prefix)).toEqual([
      'user:',
      'a*b',
      '',
      '',
      'abc',
      '',
    ]);
    expect(['*', '***', '', 'a*'].map((pattern) => Glob.compile(bytes(pattern))?.matchesAll)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

/** The rules, as plainly as possible, for patterns of which every class is closed. */
function byDefinition(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const [first = ''] = pattern;
  if (first === '*')
    return byDefinition(pattern.slice(1), text) || (text !== '' && byDefinition(pattern, text.slice(1)));
  if (text === '') return false;
  const [char = ''] = text;
  const rest = (length: number) => byDefinition(pattern.slice(length), text.slice(1));
  if (first === '?') return rest(1);
  if (first === '[') {
    const inside = pattern.slice(1, pattern.indexOf(']'));
    const members = inside === 'b-a' ? 'ab' : inside.replace('^', '');
    return members.includes(char) !== inside.startsWith('^') && rest(inside.length + 2);
  }
  if (first === '\\' && pattern.length > 1) return char === pattern[1] && rest(2);
  return char === first && rest(1);
}
