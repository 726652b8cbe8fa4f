import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { countBits, findBit, parseBitCount, parseBitPos } from './bit-count.js';
import { rangeWithin } from './string-range.js';

const bitsOf = (value: Buffer): string =>
  [...value].map((byte) => byte.toString(2).padStart(8, '0')).join('');

/** The part of `text` that a range of Redis names, written as its documentation says it. */
function part(text: string, start: number, end: number): string {
  const first = start < 0 ? text.length + start : start;
  const last = end < 0 ? text.length + end : end;
  return text.slice(Math.max(0, first), Math.max(0, last) + 1);
}

const value = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const position = fc.integer({ min: -200, max: 200 });
const unit = fc.constantFrom('byte' as const, 'bit' as const);

describe('bits of a range', () => {
  it('are counted as in a text of zeros and ones', () => {
    fc.assert(
      fc.property(value, position, position, unit, (bytes, start, end, inUnit) => {
        const range = { start, end, unit: inUnit, isClosed: true };
        const size = inUnit === 'bit' ? bytes.length * 8 : bytes.length;
        const units = rangeWithin(size, start, end);
        const scale = inUnit === 'bit' ? 1 : 8;
        const expected =
          units === undefined ? '' : bitsOf(bytes).slice(units.first * scale, (units.last + 1) * scale);
        expect(countBits(bytes, range)).toBe(expected.replaceAll('0', '').length);
        for (const bit of [0, 1] as const) {
          const at = expected.indexOf(String(bit));
          const begin = (units?.first ?? 0) * scale;
          expect(findBit(bytes, bit, range)).toBe(at < 0 ? -1 : begin + at);
        }
      }),
    );
  });

  it('ranges are cut to what is there', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), position, position, (text, start, end) => {
        fc.pre(!(start < 0 && end < 0 && start > end));
        const range = rangeWithin(text.length, start, end);
        const expected = text.length === 0 ? '' : part(text, start, end);
        expect(range === undefined ? '' : text.slice(range.first, range.last + 1)).toBe(expected);
      }),
    );
  });

  it('a value of nothing but ones goes on with zeros, unless the range has an end', () => {
    const ones = Buffer.from([0xff, 0xff]);
    expect(findBit(ones, 0, { start: 0, end: -1, unit: 'byte', isClosed: false })).toBe(16);
    expect(findBit(ones, 0, { start: 0, end: -1, unit: 'byte', isClosed: true })).toBe(-1);
    expect(findBit(ones, 1, { start: 2n ** 62n, end: -1, unit: 'byte', isClosed: true })).toBe(-1);
  });

  it('finds bits behind the first 2^31', () => {
    const large = Buffer.alloc(300 * 1024 * 1024);
    large[large.length - 1] = 1;
    const range = { start: 0, end: -1, unit: 'byte', isClosed: false } as const;
    expect(findBit(large.subarray(large.length - 1), 1, range)).toBe(7);
    expect(findBit(large, 1, { ...range, start: -2 })).toBe(large.length * 8 - 1);
    expect(countBits(large, { ...range, start: -2 })).toBe(1);
  });
});

describe('arguments', () => {
  const words = (line: string): Buffer[] => line.split(' ').map((word) => Buffer.from(word));

  it.each([
    ['BITCOUNT k', true],
    ['BITCOUNT k 0 1', true],
    ['BITCOUNT k 0 1 bit', true],
    ['BITCOUNT k 0', false],
    ['BITCOUNT k 0 1 bits', false],
    ['BITCOUNT k 0 1 bit 1', false],
    ['BITCOUNT k 0 1.5', false],
  ])('%s', (line, isRight) => {
    expect(parseBitCount(words(line)).ok).toBe(isRight);
  });

  it.each([
    ['BITPOS k 1', true],
    ['BITPOS k 1 0', true],
    ['BITPOS k 0 0 -1 byte', true],
    ['BITPOS k 2', false],
    ['BITPOS k 1 0 -1 byte x', false],
  ])('%s', (line, isRight) => {
    expect(parseBitPos(words(line)).ok).toBe(isRight);
  });
});
