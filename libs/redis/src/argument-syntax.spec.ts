import { describe, expect, it } from '@jest/globals';

import { parseArgumentSyntax, type ArgumentDoc } from './argument-syntax.js';

const one = (name: string, rest: Partial<ArgumentDoc> = {}): ArgumentDoc => ({
  name,
  type: 'string',
  token: undefined,
  optional: false,
  multiple: false,
  arguments: [],
  ...rest,
});
const token = (word: string): ArgumentDoc => one(word.toLowerCase(), { type: 'pure-token', token: word });

describe('argument syntax', () => {
  it.each<[string, ArgumentDoc[]]>([
    ['', []],
    ['key value', [one('key', { type: 'key' }), one('value')]],
    ['key...', [one('key', { type: 'key', multiple: true })]],
    ['newkey:key count:integer', [one('newkey', { type: 'key' }), one('count', { type: 'integer' })]],
    ['[GET]', [{ ...token('GET'), optional: true }]],
    ['[COUNT count:integer]', [one('count', { type: 'integer', token: 'COUNT', optional: true })]],
    ['[message]...', [one('message', { optional: true, multiple: true })]],
    ['mode=(ON | OFF)', [one('mode', { type: 'oneof', arguments: [token('ON'), token('OFF')] })]],
    [
      'data=(key value)...',
      [
        one('data', {
          type: 'block',
          multiple: true,
          arguments: [one('key', { type: 'key' }), one('value')],
        }),
      ],
    ],
    [
      'TYPE type=[A | B]',
      [one('type', { type: 'oneof', token: 'TYPE', optional: true, arguments: [token('A'), token('B')] })],
    ],
  ])('%j', (syntax, docs) => {
    expect(parseArgumentSyntax(syntax)).toEqual(docs);
  });

  it.each([
    '(a',
    'a)',
    'x=(a',
    '[a b]',
    '[]',
    'a | b',
    'x=(a b | c)',
    'x=(a]',
    '=a',
    'a ...b %',
    '...',
    'ip:port',
  ])('%j breaks the notation', (syntax) => {
    expect(() => parseArgumentSyntax(syntax)).toThrow('Invariant broken');
  });
});
