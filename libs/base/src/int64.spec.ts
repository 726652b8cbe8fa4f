import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { addInt64, INT64_MAX, INT64_MIN, parseInt64, toInt64 } from './int64.js';

const parse = (text: string) => parseInt64(Buffer.from(text, 'latin1'));

describe('parseInt64, as strict as Redis', () => {
  it.each<[string, number | bigint]>([
    ['0', 0],
    ['-1', -1],
    ['123456789012345', 123456789012345],
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9223372036854775807', INT64_MAX],
    ['-9223372036854775808', INT64_MIN],
  ])('%s', (text, value) => {
    expect(parse(text)).toBe(value);
  });

  it.each(['', '-', '+1', '01', '-0', '-01', '00', ' 1', '1 ', '1.0', '1e3', '0x10', 'abc', '1\0', '٣'])(
    'not %j',
    (text) => {
      expect(parseInt64(Buffer.from(text))).toBeUndefined();
    },
  );

  it.each(['9223372036854775808', '-9223372036854775809', '99999999999999999999', '1'.repeat(1_000_000)])(
    'not what is out of range',
    (text) => {
      expect(parse(text)).toBeUndefined();
    },
  );

  it('reads every 64-bit integer back, and gives a bigint exactly where a number is not exact', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), (value) => {
        const read = parse(value.toString());
        expect(read === undefined ? undefined : BigInt(read)).toBe(value);
        expect(typeof read).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
      }),
    );
  });
});

describe('addInt64', () => {
  it('overflows where Redis does', () => {
    expect(addInt64(INT64_MAX, 1)).toBeUndefined();
    expect(addInt64(INT64_MIN, -1)).toBeUndefined();
    expect(addInt64(INT64_MAX, INT64_MIN)).toBe(-1);
    expect(addInt64(2 ** 53 - 1, 1)).toBe(2n ** 53n);
    expect(addInt64(2n ** 53n, -1)).toBe(2 ** 53 - 1);
  });

  it('agrees with exact arithmetic', () => {
    const any = fc.oneof(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), fc.maxSafeInteger().map(BigInt));
    fc.assert(
      fc.property(any, any, (a, b) => {
        const [left, right] = [toInt64(a), toInt64(b)];
        expect(left !== undefined && right !== undefined && addInt64(left, right)).toEqual(toInt64(a + b));
      }),
    );
  });
});
