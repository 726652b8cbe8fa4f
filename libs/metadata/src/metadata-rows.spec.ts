import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyText } from '@diststore/testing';

import {
  COUNTERS_KEY,
  decodeRow,
  encodeCounters,
  encodeLease,
  encodeRecord,
  leaseId,
  leaseKey,
  recordKey,
} from './metadata-rows.js';

const RECORD = {
  name: 'conf/1',
  value: '{"v":1}',
  createRevision: 2,
  modRevision: 0x1_0000_0003,
  lease: leaseId(4),
};
const COUNTERS = { revision: 2 ** 53 - 1, records: 3, lastLease: 4 };
const ROWS: [string, Buffer, Buffer][] = [
  ['record', recordKey(RECORD.name), encodeRecord(RECORD)],
  ['counters', COUNTERS_KEY, encodeCounters(COUNTERS)],
  ['lease', leaseKey(leaseId(7)), encodeLease(leaseId(7), 1500)],
];

describe('metadata rows', () => {
  it('are laid out as the table says', () => {
    const bytes = encodeRecord(RECORD);
    expect(bytes.subarray(0, 25).toString('hex')).toBe(
      '01' + '0000000000000002' + '0000000100000003' + '0000000000000004',
    );
    expect(bytes.toString('utf8', 29)).toBe(RECORD.value);
    expect(encodeRecord({ ...RECORD, lease: undefined }).readBigUInt64BE(17)).toBe(0n);
    expect(recordKey('a').toString('latin1')).toBe('\x10a');
    expect(COUNTERS_KEY.toString('latin1')).toBe('\x10\0counters');
    expect(leaseKey(leaseId(7)).toString('latin1')).toBe('\x10\0lease/0000000000000007');
  });

  it('come back as they were', () => {
    expect(decodeRow(COUNTERS_KEY, encodeCounters(COUNTERS))).toEqual({
      kind: 'counters',
      counters: COUNTERS,
    });
    const lease = { kind: 'lease', id: leaseId(7), ttlMs: 1500 };
    expect(decodeRow(leaseKey(leaseId(7)), encodeLease(leaseId(7), 1500))).toEqual(lease);
    const revision = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const anyRecord = fc.record({
      name: fc.stringMatching(/^[!-~]{1,20}$/),
      value: anyText(),
      createRevision: revision,
      modRevision: revision,
      lease: fc.option(revision.map(leaseId), { nil: undefined }),
    });
    fc.assert(
      fc.property(anyRecord, (record) => {
        expect(decodeRow(recordKey(record.name), encodeRecord(record))).toEqual({ kind: 'record', record });
      }),
    );
  });

  describe.each(ROWS)('a damaged %s row', (_kind, key, bytes) => {
    it('is refused, whichever bit is wrong', () => {
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const damaged = Buffer.from(bytes);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const code = bit < 8 ? 'store-format' : 'store-corrupt';
        expect(() => decodeRow(key, damaged)).toThrow(expect.objectContaining({ code }));
      }
    });

    it('is refused at any other length', () => {
      expect(() => decodeRow(key, Buffer.alloc(0))).toThrow(
        expect.objectContaining({ code: 'store-format' }),
      );
      const corrupt = expect.objectContaining({ code: 'store-corrupt' });
      for (let length = 1; length < bytes.length; length += 1) {
        expect(() => decodeRow(key, bytes.subarray(0, length))).toThrow(corrupt);
      }
      expect(() => decodeRow(key, Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(corrupt);
    });
  });

  it('are not taken for the row of another name', () => {
    const corrupt = expect.objectContaining({ code: 'store-corrupt' });
    expect(() => decodeRow(recordKey('conf/2'), encodeRecord(RECORD))).toThrow(corrupt);
    expect(() => decodeRow(leaseKey(leaseId(8)), encodeLease(leaseId(7), 1500))).toThrow(corrupt);
  });

  it('of an older program are refused by name', () => {
    const json = Buffer.from('{"v":1,"clusterId":"abc"}');
    expect(() => decodeRow(recordKey('cluster'), json)).toThrow('"cluster" has format 123');
  });
});
