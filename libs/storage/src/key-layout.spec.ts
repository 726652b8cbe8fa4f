import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  after,
  dataKey,
  dataRange,
  expiredRange,
  expiryKey,
  HEADER_KEY,
  keyOfData,
  metadataKey,
  metadataName,
  metadataRange,
  parseExpiryKey,
  stateKey,
} from './key-layout.js';
import { KEY_BYTES_MAX } from './limits.js';
import type { KeyRange } from './storage.js';

const anyPartition = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0xff, 0x100, 0xfffe, 0xffff));
const anyKey = fc
  .uint8Array({ minLength: 1, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes))
  .filter((key) => key.length > 0);
const anyMs = fc.maxSafeNat().map((ms) => Math.min(ms, Number.MAX_SAFE_INTEGER - 1));

const isIn = (row: Buffer, { gte, lt }: KeyRange): boolean =>
  Buffer.compare(row, gte) >= 0 && Buffer.compare(row, lt) < 0;

describe('the key layout', () => {
  it('is that of docs/storage-format.md', () => {
    const key = Buffer.from('A');
    expect(HEADER_KEY.toString('hex')).toBe('00');
    expect(stateKey(0x0102).toString('hex')).toBe('020102');
    expect(dataKey(0x0102, key).toString('hex')).toBe('04010241');
    expect(expiryKey(0x0102, 0x1234_5678_9abc, key).toString('hex')).toBe('070102000012345678' + '9abc41');
    expect(metadataKey('A').toString('hex')).toBe('1041');
  });

  it('sorts data rows by partition, then as their keys', () => {
    fc.assert(
      fc.property(anyPartition, anyKey, anyPartition, anyKey, (p, a, q, b) => {
        expect(Buffer.compare(dataKey(p, a), dataKey(q, b))).toBe(Math.sign(p - q) || Buffer.compare(a, b));
      }),
    );
  });

  it('gives back what it was made of', () => {
    fc.assert(
      fc.property(anyPartition, anyKey, anyMs, fc.string(), (partition, key, expireAtMs, name) => {
        expect(keyOfData(dataKey(partition, key))).toEqual(key);
        expect(parseExpiryKey(expiryKey(partition, expireAtMs, key))).toEqual({ expireAtMs, key });
        expect(metadataName(metadataKey(name))).toBe(name);
      }),
    );
  });

  it('has the data rows of a partition, and nothing else, in its data range', () => {
    fc.assert(
      fc.property(anyPartition, anyPartition, anyKey, anyMs, (p, q, key, ms) => {
        const range = dataRange(p);
        expect(isIn(dataKey(q, key), range)).toBe(p === q);
        for (const row of [stateKey(q), expiryKey(q, ms, key), HEADER_KEY, metadataKey(key.toString())]) {
          expect(isIn(row, range)).toBe(false);
        }
      }),
    );
  });

  it('has exactly the rows that are due in the expired range', () => {
    fc.assert(
      fc.property(anyPartition, anyPartition, anyKey, anyMs, anyMs, (p, q, key, nowMs, expireAtMs) => {
        for (const ms of [expireAtMs, nowMs, nowMs + 1]) {
          expect(isIn(expiryKey(q, ms, key), expiredRange(p, nowMs))).toBe(p === q && ms <= nowMs);
        }
        expect(isIn(dataKey(q, key), expiredRange(p, nowMs))).toBe(false);
      }),
    );
  });

  it('has exactly the names with a prefix in a metadata range', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3 }), fc.string({ maxLength: 5 }), (prefix, name) => {
        const begins = Buffer.from(name).subarray(0, Buffer.byteLength(prefix)).equals(Buffer.from(prefix));
        expect(isIn(metadataKey(name), metadataRange(prefix))).toBe(begins);
      }),
    );
  });

  it('refuses partitions and keys that do not fit', () => {
    for (const partition of [-1, 0x10000, 0.5]) expect(() => stateKey(partition)).toThrow('Invariant');
    expect(() => dataKey(0, Buffer.alloc(0))).toThrow('Invariant');
    expect(dataKey(0, Buffer.alloc(KEY_BYTES_MAX))).toHaveLength(3 + KEY_BYTES_MAX);
    expect(() => dataKey(0, Buffer.alloc(KEY_BYTES_MAX + 1))).toThrow('Invariant');
  });
});

describe('after', () => {
  it.each([
    ['04', '05'],
    ['0400ff', '0401'],
    ['04ffff', '05'],
    ['feff', 'ff'],
  ])('%s is %s', (prefix, next) => {
    expect(after(Buffer.from(prefix, 'hex')).toString('hex')).toBe(next);
  });

  it('has no answer for a prefix of 0xff only', () => {
    expect(() => after(Buffer.from('ffff', 'hex'))).toThrow('Invariant');
    expect(() => after(Buffer.alloc(0))).toThrow('Invariant');
  });
});
