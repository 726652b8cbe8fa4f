import { describe, expect, it } from '@jest/globals';

import { hasMovableKeys, keyAt, keyPositions, keyRangeOf, keysFrom, type KeySpec } from './key-spec.js';

const args = (line: string) => line.split(' ').map((arg) => Buffer.from(arg));
const keys = (specs: readonly KeySpec[], line: string) =>
  keyPositions(specs, args(line))?.map(({ index }) => line.split(' ')[index]);

/** As EVAL has it: the number of keys, then the keys. */
const counted: KeySpec = {
  flags: ['RW'],
  begin: { type: 'index', index: 2 },
  find: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
};
/** As XREAD has it: STREAMS, all keys, then as many ids. */
const halved: KeySpec = {
  flags: ['RO'],
  begin: { type: 'keyword', keyword: 'STREAMS', startFrom: 1 },
  find: { type: 'range', lastKey: -1, keyStep: 1, limit: 2 },
};
/** As MIGRATE has it: KEYS, searched from the end. */
const backwards: KeySpec = {
  flags: ['RW', 'incomplete'],
  begin: { type: 'keyword', keyword: 'KEYS', startFrom: -2 },
  find: { type: 'range', lastKey: -1, keyStep: 1, limit: 0 },
};

describe('key positions', () => {
  it.each<[string, KeySpec[], string, string[]]>([
    ['one key', [keyAt(1, 'RO')], 'GET k', ['k']],
    ['all that follow', [keysFrom(1, { lastKey: -1, keyStep: 1 })], 'DEL a b c', ['a', 'b', 'c']],
    ['every second', [keysFrom(1, { lastKey: -1, keyStep: 2 })], 'MSET a 1 b 2', ['a', 'b']],
    [
      'two specs',
      [keyAt(2, 'OW'), keysFrom(3, { lastKey: -1, keyStep: 1 })],
      'BITOP AND d a b',
      ['d', 'a', 'b'],
    ],
    ['a count', [counted], 'EVAL script 2 a b c', ['a', 'b']],
    ['a count of none', [counted], 'EVAL script 0 a', []],
    ['behind a keyword', [halved], 'XREAD COUNT 2 streams a b 0 0', ['a', 'b']],
    ['a keyword from the end', [backwards], 'MIGRATE h 1 KEYS 0 9 keys a b', ['a', 'b']],
    ['a keyword that is missing', [halved], 'XREAD COUNT 2', []],
    ['no specs', [], 'PING', []],
  ])('%s', (_what, specs, line, expected) => {
    expect(keys(specs, line)).toEqual(expected);
  });

  it.each([
    'EVAL script 3 a b',
    'EVAL script x a',
    'EVAL script -1 a',
    'EVAL script',
    'EVAL script 9223372036854775807 a',
  ])('undefined when the arguments contradict the spec: %s', (line) => {
    expect(keys([counted], line)).toBeUndefined();
  });

  it('carry the flags of their spec', () => {
    expect(keyPositions([keyAt(1, 'RO'), keyAt(2, 'OW', 'insert')], args('COPY a b'))).toEqual([
      { index: 1, flags: ['RO'] },
      { index: 2, flags: ['OW', 'insert'] },
    ]);
  });
});

describe('the key range of old clients', () => {
  it.each<[string, KeySpec[], [number, number, number]]>([
    ['one key', [keyAt(1)], [1, 1, 1]],
    ['neighbours join', [keyAt(1), keyAt(2)], [1, 2, 1]],
    ['open end', [keyAt(2), keysFrom(3, { lastKey: -1, keyStep: 1 })], [2, -1, 1]],
    ['a gap does not join', [keyAt(1), keyAt(4)], [1, 1, 1]],
    ['what is counted is left out', [counted], [0, 0, 0]],
  ])('%s', (_what, specs, [first, last, step]) => {
    expect(keyRangeOf(specs)).toEqual({ first, last, step });
  });

  it('does not suffice where keys are movable', () => {
    expect([[keyAt(1)], [counted], [halved], [backwards]].map(hasMovableKeys)).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
});
