import { parse } from 'node:querystring';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyText } from '@diststore/testing';

import { parseQuery } from './query-string.js';

describe('parseQuery', () => {
  it.each([null, undefined, ''])('%p is no parameters', (query) => {
    expect(parseQuery(query)).toEqual({});
  });

  it('decodes names and values, and keeps repetitions', () => {
    expect(parseQuery('a+b=1%202&x=1&x=%C3%A9&flag&empty=')).toEqual({
      'a b': '1 2',
      x: ['1', 'é'],
      flag: '',
      empty: '',
    });
  });

  it.each([
    ['prefix=%ZZ', 'prefix'],
    ['limit=1&prefix=a%', 'prefix'],
    ['prefix=%F', 'prefix'],
    ['prefix=%FF', 'prefix'],
    ['prefix=%C3', 'prefix'],
    ['a%ZZ=1', 'a%ZZ'],
    ['%ZZ', '%ZZ'],
    [`${'x'.repeat(1000)}=%ZZ`, 'x'.repeat(80)],
  ])('%s is refused by the name of the parameter', (query, parameter) => {
    expect(() => parseQuery(query)).toThrow(
      expect.objectContaining({
        code: 'bad-parameter',
        message: `${parameter} is not percent-encoded UTF-8.`,
        facts: { parameter },
      }),
    );
  });

  it('takes whatever encodeURIComponent writes, and gives it back', () => {
    const text = anyText({ minLength: 1 });
    fc.assert(
      fc.property(text, text, (name, value) => {
        const query = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
        expect(parseQuery(query)).toEqual(parse(query));
        expect(parseQuery(query)[name]).toBe(value);
      }),
    );
  });
});
