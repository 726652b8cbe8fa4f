import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { InvariantError } from '@diststore/base';
import type { StoredRecord } from '@diststore/storage';

import { CACHED_PAYLOAD_BYTES_MAX, RecordCache } from './record-cache.js';

const MIB = 1024 * 1024;

function record(version: number, payload: Buffer | string = 'value'): StoredRecord {
  return { version, expireAtMs: 7, contentType: 'text/plain', payload: Buffer.from(payload) };
}

const A = Buffer.from('a');

function notLoaded(): never {
  throw new Error('Nothing was to be loaded.');
}

describe('RecordCache', () => {
  it('gives back what was set, in memory of its own', () => {
    const records = new RecordCache(10_000).open();
    const sent = record(1, Buffer.from([0, 0x7f, 0x80, 0xff]));
    records.noteRead('a', sent);
    sent.payload.fill(1);
    const found = records.get('a');
    expect(found).toEqual(record(1, Buffer.from([0, 0x7f, 0x80, 0xff])));
    found?.payload.fill(2);
    expect(records.get('a')).toEqual(record(1, Buffer.from([0, 0x7f, 0x80, 0xff])));
  });

  it('keeps no request alive for its content type', () => {
    const records = new RecordCache(100_000_000).open();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1000; i += 1) {
      const head = `${i}`.padEnd(64 * 1024, 'x-padding') + 'Content-Type: application/octet-stream';
      const contentType = head.slice(-24);
      records.noteRead(`${i}`, { ...record(1), contentType });
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * MIB);
    expect(records.get('999')?.contentType).toBe('application/octet-stream');
  });

  it('keeps what is asked for, and lets go of what is not', () => {
    const records = new RecordCache(10_000).open();
    records.noteRead('hot', record(1));
    records.noteRead('cold', record(1));
    for (let i = 0; i < 1000; i += 1) {
      records.noteRead(`${i}`, record(1));
      expect(records.get('hot')).toBeDefined();
    }
    expect(records.get('cold')).toBeUndefined();
  });

  it('stays within its bound, all partitions together', () => {
    const maxBytes = 100_000;
    const cache = new RecordCache(maxBytes);
    const partitions = [cache.open(), cache.open(), cache.open()];
    for (let i = 0; i < 3000; i += 1) partitions[i % 3]?.noteRead(`${i}`, record(1, Buffer.alloc(100)));
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
      for (let i = 0; i < 500; i += 1) records.noteRead(`${i}`, record(1, Buffer.alloc(100)));
    let kept = 0;
    for (const records of partitions)
      for (let i = 0; i < 500; i += 1) kept += records.get(`${i}`) === undefined ? 0 : 1;
    expect(kept * 100).toBeLessThan(maxBytes);
  });

  it('keeps no large payload, and not the smaller one that it replaces', () => {
    const records = new RecordCache(1_000_000).open();
    records.noteRead('a', record(1));
    records.noteWritten('a', record(2, Buffer.alloc(CACHED_PAYLOAD_BYTES_MAX + 1)));
    expect(records.get('a')).toBeUndefined();
    expect(records.known('a', A, notLoaded)).toMatchObject({ payloadBytes: CACHED_PAYLOAD_BYTES_MAX + 1 });
  });

  it('keeps of a write what the next one needs, and no payload that nobody asks for', () => {
    const records = new RecordCache(10_000).open();
    records.noteWritten('a', record(1, 'first'));
    expect(records.get('a')).toBeUndefined();
    records.noteWritten('a', record(2, 'the second'));
    expect(records.get('a')).toMatchObject({ version: 2, payload: Buffer.from('the second') });
    records.noteWritten('a', record(3));
    expect(records.known('a', A, notLoaded)).toMatchObject({ version: 3 });
    records.noteWritten('a', record(4));
    expect(records.get('a')).toBeUndefined();
    const known = records.known('a', A, notLoaded);
    expect(known).toMatchObject({ version: 4, expireAtMs: 7, contentType: 'text/plain', payloadBytes: 5 });
  });

  it('finds the payload for who asks for one that is not kept, and keeps the next', () => {
    const records = new RecordCache(10_000).open();
    records.noteWritten('a', record(1, 'one'));
    expect(records.known('a', A, (key) => record(1, `of ${key.toString()}`))?.payload.toString()).toBe(
      'of a',
    );
    records.noteWritten('a', record(2, 'two'));
    expect(records.known('a', A, notLoaded)?.payload.toString()).toBe('two');
    const damaged = (): never => {
      throw new Error('damaged');
    };
    records.noteWritten('b', record(1));
    expect(() => records.known('b', A, damaged)?.payload).toThrow('damaged');
  });

  it('finds a payload once for one write, however often it is asked for', () => {
    const records = new RecordCache(10_000).open();
    records.noteWritten('a', record(1));
    let loads = 0;
    const known = records.known('a', A, () => {
      loads += 1;
      return record(1);
    });
    // As BITOP with one key many times: a copy of a large value for each would be more than there is memory.
    const payloads = Array.from({ length: 1024 }, () => known?.payload);
    expect([new Set(payloads).size, loads]).toEqual([1, 1]);
  });

  it('takes nothing else for the payload', () => {
    const records = new RecordCache(10_000).open();
    records.noteWritten('a', record(1));
    const known = records.known('a', A, () => record(2));
    expect(() => known?.payload).toThrow(InvariantError);
    records.noteWritten('a', record(2));
    expect(() => known?.payload).toThrow('a record is known until the next write of it');
  });

  it('keeps nothing when it is off', () => {
    const records = new RecordCache(0).open();
    records.noteRead('a', record(1));
    expect(records.get('a')).toBeUndefined();
  });

  it('never shows anything but what was set last', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ type: fc.constant('write' as const), name, bytes: fc.integer({ min: 0, max: 300 }) }),
      fc.record({ type: fc.constant('read' as const), name }),
      fc.record({ type: fc.constant('update' as const), name }),
      fc.record({ type: fc.constant('delete' as const), name }),
      fc.record({ type: fc.constant('get' as const), name }),
      fc.record({ type: fc.constant('clear' as const), name }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const records = new RecordCache(1500).open();
        const model = new Map<string, StoredRecord>();
        steps.forEach((next, version) => {
          const stored = model.get(next.name);
          if (next.type === 'write') {
            const written = record(version, Buffer.alloc(next.bytes, version));
            model.set(next.name, written);
            records.noteWritten(next.name, written);
          } else if (next.type === 'read' && stored !== undefined) {
            records.noteRead(next.name, stored);
          } else if (next.type === 'update' && stored !== undefined) {
            const known = records.known(next.name, A, () => stored);
            if (known !== undefined) {
              expect(known).toMatchObject({ ...stored, payloadBytes: stored.payload.length });
            }
          } else if (next.type === 'delete') {
            model.delete(next.name);
            records.delete(next.name);
          } else if (next.type === 'clear') {
            model.clear();
            records.clear();
          }
          const found = records.get(next.name);
          if (found !== undefined) expect(found).toEqual(model.get(next.name));
        });
      }),
    );
  });
});
