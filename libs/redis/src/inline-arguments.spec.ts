import { describe, expect, it } from '@jest/globals';

import { splitInlineArguments } from './inline-arguments.js';

function split(line: string): string[] | undefined {
  return splitInlineArguments(Buffer.from(line, 'latin1'))?.map((arg) => arg.toString('latin1'));
}

describe('inline arguments (every case was observed on redis-server 7)', () => {
  it.each<[string, string[]]>([
    ['', []],
    [' \t\v\f\r ', []],
    ['PING', ['PING']],
    ['  a   b  ', ['a', 'b']],
    ['a\tb\rc', ['a', 'b', 'c']],
    ['a\vb', ['a\vb']],
    ['\v\fa', ['a']],
    ['"a b" \'c d\'', ['a b', 'c d']],
    ['"" \'\'', ['', '']],
    ['a"b c" d', ['ab c', 'd']],
    ["a'b'", ['ab']],
    ['"a"\vb', ['a', 'b']],
    ['"a\'b"', ["a'b"]],
    ['"\\n\\r\\t\\b\\a\\\\\\""', ['\n\r\t\b\x07\\"']],
    ['"\\x41\\xfF\\x00"', ['A\xff\0']],
    ['"\\q\\xZ1\\x4\\x4g"', ['qxZ1x4x4g']],
    ["'a\\nb\\''", ["a\\nb'"]],
    ['a\\nb a\\ b', ['a\\nb', 'a\\', 'b']],
  ])('%j', (line, args) => {
    expect(split(line)).toEqual(args);
  });

  it.each(['"a', "'a", '"a"b', "'a'b", 'a"b c"d', '"\\', '"\\"', "'\\'", '"a" "b'])(
    '%j is unbalanced',
    (line) => {
      expect(split(line)).toBeUndefined();
    },
  );

  it('a NUL is an ordinary byte, so that no value is cut', () => {
    expect(split('SET k a\0b "\0"')).toEqual(['SET', 'k', 'a\0b', '\0']);
  });
});
