import { describe, expect, it } from '@jest/globals';

import { decompress } from './snappy.js';

const hex = (text: string): Buffer => Buffer.from(text.split(' ').join(''), 'hex');
const inflate = (text: string, bytesMax = 1000): string => decompress(hex(text), bytesMax).toString('latin1');

describe('decompress', () => {
  // Elements written by hand after google/snappy, format_description.txt.
  it.each([
    ['nothing', '00', ''],
    ['a literal', '03 08 616263', 'abc'],
    ['a literal with a length of one byte', '40 f03f' + '61'.repeat(64), 'a'.repeat(64)],
    ['a literal with a length of two bytes', 'ac02 f42b01' + '61'.repeat(300), 'a'.repeat(300)],
    ['a copy with an offset of one byte', '0a 08616263 0d03', 'abcabcabca'],
    ['a copy with an offset of two bytes', '06 08616263 0a0300', 'abcabc'],
    ['a copy with an offset of four bytes', '06 08616263 0b03000000', 'abcabc'],
    ['a copy that overlaps itself', '08 0061 0d01', 'aaaaaaaa'],
  ])('expands %s', (_what, compressed, expected) => {
    expect(inflate(compressed)).toBe(expected);
  });

  it.each([
    ['no length', ''],
    ['a length that does not end', 'ffffffffffffffffffffffff'],
    ['more bytes than allowed', 'e907'],
    ['fewer bytes than it promises', '04 08616263'],
    ['a literal that is cut off', '03 0861'],
    ['a literal that is longer than the block', '02 08616263'],
    ['a length of a literal that is cut off', '40 f0'],
    ['a copy from before the block', '06 08616263 0a0400'],
    ['a copy of itself', '06 08616263 0a0000'],
    ['a copy that is longer than the block', '05 08616263 0a0300'],
    ['a copy that is cut off', '06 08616263 0a03'],
  ])('refuses %s', (_what, compressed) => {
    expect(() => inflate(compressed)).toThrow(RangeError);
  });
});
