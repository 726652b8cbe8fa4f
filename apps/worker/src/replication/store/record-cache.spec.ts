import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { StoredRecord } from '@diststore/storage';

import { CACHED_PAYLOAD_BYTES_MAX, RecordCache } from './record-cache.js';

const MIB = 1024 * 1024;

function record(version: number, payload: Buffer | string = 'value'): StoredRecord {
  return { version, expireAtMs: 7, contentType: 'text/plain', payload: Buffer.from(payload) };
}

/** With what it makes when it is asked. */
function contentsOf(found: StoredRecord | undefined): StoredRecord | undefined {
  if (found === undefined) return undefined;
  const { version, expireAtMs, contentType, payload } = found;
  return { version, expireAtMs, contentType, payload };
}

describe('RecordCache', () => {
  it('gives back what was set, in memory of its own', () => {
    const records = new RecordCache(10_000).open();
    const sent = record(1, Buffer.from([0, 0x7f, 0x80, 0xff]));
    records.set('a', sent);
    sent.payload.fill(1);
    const found = records.get('a');
    expect(contentsOf(found)).toEqual(record(1, Buffer.from([0, 0x7f, 0x80, 0xff])));
    found?.payload.fill(2);
    expect(contentsOf(records.get('a'))).toEqual(record(1, Buffer.from([0, 0x7f, 0x80, 0xff])));
  });

  it('keeps no request alive for its content type', () => {
    const records = new RecordCache(100_000_000).open();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1000; i += 1) {
      const head = `${i}`.padEnd(64 * 1024, 'x-padding') + 'Content-Type: application/octet-stream';
      const contentType = head.slice(-24);
      records.set(`${i}`, { ...record(1), contentType });
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * MIB);
    expect(records.get('999')?.contentType).toBe('application/octet-stream');
  });

  it('keeps what is asked for, and lets go of what is not', () => {
    const records = new RecordCache(10_000).open();
    records.set('hot', record(1));
    records.set('cold', record(1));
    for (let i = 0; i < 1000; i += 1) {
      records.set(`${i}`, record(1));
      expect(records.get('hot')).toBeDefined();
    }
    expect(records.get('cold')).toBeUndefined();
  });

  it('stays within its bound, all partitions together', () => {
    const maxBytes = 100_000;
    const cache = new RecordCache(maxBytes);
    const partitions = [cache.open(), cache.open(), cache.open()];
    for (let i = 0; i < 3000; i += 1) partitions[i % 3]?.set(`${i}`, record(1, Buffer.alloc(100)));
    let kept = 0;
    for (let i = 0; i < 3000; i += 1) kept += partitions[i % 3]?.get(`${i}`) === undefined ? 0 : 1;
    expect(kept).toBeGreaterThan(100);
    expect(kept * 100).toBeLessThan(maxBytes);
  });

  it('takes memory back from partitions that nobody asks any more', () => {
    const maxBytes = 100_000;
    const cache = new RecordCache(maxBytes);
    const partitions = Array.from({ length: 8 }, () => cache.open());
    for (const records of partitions)
      for (let i = 0; i < 500; i += 1) records.set(`${i}`, record(1, Buffer.alloc(100)));
    let kept = 0;
    for (const records of partitions)
      for (let i = 0; i < 500; i += 1) kept += records.get(`${i}`) === undefined ? 0 : 1;
    expect(kept * 100).toBeLessThan(maxBytes);
  });

  it('keeps no large payload, and not the smaller one that it replaces', () => {
    const records = new RecordCache(1_000_000).open();
    records.set('a', record(1));
    records.set('a', record(2, Buffer.alloc(CACHED_PAYLOAD_BYTES_MAX + 1)));
    expect(records.get('a')).toBeUndefined();
  });

  it('keeps nothing when it is off', () => {
    const records = new RecordCache(0).open();
    records.set('a', record(1));
    expect(records.get('a')).toBeUndefined();
  });

  it('never shows anything but what was set last', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ type: fc.constant('set' as const), name, bytes: fc.integer({ min: 0, max: 300 }) }),
      fc.record({ type: fc.constant('delete' as const), name }),
      fc.record({ type: fc.constant('get' as const), name }),
      fc.record({ type: fc.constant('clear' as const), name }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const records = new RecordCache(1500).open();
        const model = new Map<string, StoredRecord>();
        steps.forEach((next, version) => {
          if (next.type === 'set') {
            model.set(next.name, record(version, Buffer.alloc(next.bytes, version)));
            records.set(next.name, record(version, Buffer.alloc(next.bytes, version)));
          } else if (next.type === 'delete') {
            model.delete(next.name);
            records.delete(next.name);
          } else if (next.type === 'clear') {
            model.clear();
            records.clear();
          }
          const found = records.get(next.name);
          if (found !== undefined) expect(contentsOf(found)).toEqual(model.get(next.name));
        });
      }),
    );
  });
});
