import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { addDecimals, isDecimal } from './decimal.js';

function increment(current: string, by: string): string {
  const result = addDecimals(Buffer.from(current, 'latin1'), Buffer.from(by, 'latin1'));
  return result.type === 'sum' ? result.text : result.reason;
}

describe('INCRBYFLOAT', () => {
  // Observed on redis-server 7.0.15 (x86-64).
  it.each<[string, string, string]>([
    ['0.1', '0.2', '0.3'],
    ['3.0e3', '0', '3000'],
    ['5.0e3', '2.0e2', '5200'],
    ['0.3', '+1', '1.3'],
    ['0', '-0.0', '0'],
    ['-0.00', '0', '0'],
    ['-1', '1', '0'],
    ['0', '1e-17', '0.00000000000000001'],
    ['1e-17', '5e-18', '0.00000000000000002'],
    ['0', '1e-20', '0'],
    ['-1e-30', '0', '0'],
    ['0', '.5', '0.5'],
    ['0.5', '5.', '5.5'],
    ['1.23456789012345678901234', '0', '1.23456789012345679'],
    ['10.50', '-5', '5.5'],
    ['9007199254740993', '1', '9007199254740994'],
  ])('%s + %s = %s', (current, by, expected) => {
    expect(increment(current, by)).toBe(expected);
  });

  it('is exact where Redis rounds to 64 bits', () => {
    expect(increment('81764', '-53133.8078')).toBe('28630.1922');
    expect(increment('17.3', '1e20')).toBe('100000000000000000017.3');
    expect(increment('1e300', '1')).toBe(`1${'0'.repeat(299)}1`);
  });

  it.each([
    '',
    ' 1',
    '1 ',
    '.',
    '+',
    '-',
    'e5',
    '1e',
    '1e+',
    'abc',
    'nan',
    '1.2.3',
    '1,5',
    '1e5000',
    '1e-5000',
    '0x10',
    '1\0',
  ])('%j is no valid float', (text) => {
    expect(increment('1', text)).toBe('not-a-number');
    expect(increment(text, '1')).toBe('not-a-number');
    expect(isDecimal(Buffer.from(text, 'latin1'))).toBe(false);
  });

  it.each(['inf', '+INF', '-Infinity'])('%s is refused as a result', (text) => {
    expect(increment('1', text)).toBe('not-finite');
    expect(isDecimal(Buffer.from(text))).toBe(false);
  });

  it('gives no sum that it could not read again', () => {
    expect(increment('9e4931', '9e4931')).toBe('not-finite');
    expect(increment('-9e4931', '-9e4931')).toBe('not-finite');
    expect(increment('9e4931', '-9e4931')).toBe('0');
    expect(isDecimal(Buffer.from('9e4931'))).toBe(true);
  });

  it('has bounds: text length and exponents', () => {
    expect(increment('0', `1${'0'.repeat(4931)}`)).toBe(`1${'0'.repeat(4931)}`);
    expect(increment('0', `1${'0'.repeat(4932)}`)).toBe('not-a-number');
    expect(increment('0', '0'.repeat(5119))).toBe('0');
    expect(increment('0', '0'.repeat(5120))).toBe('not-a-number');
    expect(increment('1', '1e99999999999999999999')).toBe('not-a-number');
    expect(increment('1', '0e99999999999999999999')).toBe('1');
    expect(increment('1', `1e-4951`)).toBe('1');
  });

  it('adds decimal fractions as on paper', () => {
    const cents = fc.integer({ min: -1_000_000, max: 1_000_000 });
    const text = (value: number) => String(value / 100);
    fc.assert(
      fc.property(cents, cents, (a, b) => {
        expect(increment(text(a), text(b))).toBe(text(a + b));
      }),
    );
  });
});
