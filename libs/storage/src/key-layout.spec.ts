import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  after,
  contentKindOf,
  contentRanges,
  dataKey,
  dataRange,
  expiredRange,
  expiryKey,
  HEADER_KEY,
  installedKey,
  keyOfData,
  logKey,
  logRange,
  metadataKey,
  metadataName,
  metadataRange,
  parseExpiryKey,
  parseRequestAgeKey,
  replicaRanges,
  requestAgeKey,
  requestAgeRange,
  requestKey,
  seqOfLog,
  stateKey,
} from './key-layout.js';
import { KEY_BYTES_MAX } from './limits.js';
import type { KeyRange } from './storage.js';

const anyPartition = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0xff, 0x100, 0xfffe, 0xffff));
const anyKey = fc
  .uint8Array({ minLength: 1, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes))
  .filter((key) => key.length > 0);
const anyRequestId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((id) => Buffer.from(id).toString('hex'));
const anyMs = fc.maxSafeNat().map((ms) => Math.min(ms, Number.MAX_SAFE_INTEGER - 1));

const isIn = (row: Buffer, { gte, lt }: KeyRange): boolean =>
  Buffer.compare(row, gte) >= 0 && Buffer.compare(row, lt) < 0;

describe('the key layout', () => {
  it('is that of docs/storage-format.md', () => {
    const key = Buffer.from('A');
    expect(HEADER_KEY.toString('hex')).toBe('00');
    expect(installedKey(0x0102).toString('hex')).toBe('010102');
    expect(stateKey(0x0102).toString('hex')).toBe('020102');
    expect(logKey(0x0102, 0x1234_5678_9abc).toString('hex')).toBe('030102' + '0000123456789abc');
    const requestId = '000102030405060708090a0b0c0d0eff';
    expect(requestKey(0x0102, requestId).toString('hex')).toBe(`050102${requestId}`);
    expect(requestAgeKey(0x0102, { timestampMs: 1, seq: 2, requestId }).toString('hex')).toBe(
      `06010200000000000000010000000000000002${requestId}`,
    );
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

  it('gives back what rows of log and requests were made of', () => {
    fc.assert(
      fc.property(anyPartition, anyMs, anyMs, anyRequestId, (partition, seq, timestampMs, requestId) => {
        expect(seqOfLog(logKey(partition, seq))).toBe(seq);
        const age = { timestampMs, seq, requestId };
        expect(parseRequestAgeKey(requestAgeKey(partition, age))).toEqual(age);
      }),
    );
  });

  it('sorts log entries by number, and requests by age', () => {
    fc.assert(
      fc.property(anyPartition, anyMs, anyMs, anyMs, anyMs, anyRequestId, (p, a, b, s, t, requestId) => {
        expect(Buffer.compare(logKey(p, a), logKey(p, b))).toBe(Math.sign(a - b));
        const rows = [
          { timestampMs: a, seq: s, requestId },
          { timestampMs: b, seq: t, requestId },
        ].map((age) => requestAgeKey(p, age)) as [Buffer, Buffer];
        expect(Buffer.compare(...rows)).toBe(Math.sign(a - b) || Math.sign(s - t));
      }),
    );
  });

  it('has exactly the entries from one to another in a log range', () => {
    fc.assert(
      fc.property(anyPartition, anyPartition, anyMs, anyMs, anyMs, (p, q, from, through, seq) => {
        for (const at of [seq, from, through])
          expect(isIn(logKey(q, at), logRange(p, from, through))).toBe(
            p === q && at >= from && at <= through,
          );
      }),
    );
  });

  it('knows content by its key, and has it in the content ranges, with the log in the replica ranges', () => {
    fc.assert(
      fc.property(anyPartition, anyPartition, anyKey, anyMs, anyRequestId, (p, q, key, ms, requestId) => {
        const age = { timestampMs: ms, seq: ms, requestId };
        const content = [
          dataKey(q, key),
          requestKey(q, requestId),
          requestAgeKey(q, age),
          expiryKey(q, ms, key),
        ];
        const kinds = ['data', 'request', 'request-age', 'expiry'];
        expect(content.map((row) => contentKindOf(row, p))).toEqual(
          p === q ? kinds : kinds.map(() => undefined),
        );
        for (const row of content) {
          expect(contentRanges(p).filter((range) => isIn(row, range))).toHaveLength(p === q ? 1 : 0);
          expect(replicaRanges(p).filter((range) => isIn(row, range))).toHaveLength(p === q ? 1 : 0);
        }
        const log = logKey(q, ms);
        expect(replicaRanges(p).some((range) => isIn(log, range))).toBe(p === q);
        for (const row of [log, installedKey(q), stateKey(q), HEADER_KEY, Buffer.alloc(0)]) {
          expect(contentKindOf(row, p)).toBeUndefined();
          expect(contentRanges(p).some((range) => isIn(row, range))).toBe(false);
        }
        for (const row of [installedKey(q), stateKey(q), HEADER_KEY])
          expect(replicaRanges(p).some((range) => isIn(row, range))).toBe(false);
      }),
    );
  });

  it('knows no content by a key of impossible length', () => {
    const requestId = '00'.repeat(16);
    const tooLong = (row: Buffer): Buffer => Buffer.concat([row, Buffer.alloc(KEY_BYTES_MAX)]);
    const rows = [dataKey(7, Buffer.from('A')), expiryKey(7, 1, Buffer.from('A'))];
    for (const row of rows) {
      expect(contentKindOf(row.subarray(0, -1), 7)).toBeUndefined();
      expect(contentKindOf(tooLong(row), 7)).toBeUndefined();
    }
    for (const row of [requestKey(7, requestId), requestAgeKey(7, { timestampMs: 1, seq: 1, requestId })]) {
      expect(contentKindOf(row.subarray(0, -1), 7)).toBeUndefined();
      expect(contentKindOf(Buffer.concat([row, Buffer.alloc(1)]), 7)).toBeUndefined();
    }
  });

  it('has all ages of a partition in their range', () => {
    const requestId = 'ff'.repeat(16);
    const age = requestAgeKey(7, { timestampMs: Number.MAX_SAFE_INTEGER, seq: 1, requestId });
    expect(isIn(age, requestAgeRange(7))).toBe(true);
    expect(isIn(age, requestAgeRange(8))).toBe(false);
  });

  it('refuses what is no request id', () => {
    for (const requestId of ['', 'ab', 'zz'.repeat(16), '00'.repeat(17)])
      expect(() => requestKey(0, requestId)).toThrow('Invariant');
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
