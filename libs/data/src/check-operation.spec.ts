import { describe, expect, it } from '@jest/globals';
import type { ErrorCode } from '@diststore/base';
import fc from 'fast-check';

import { operationsOf } from '../test/operations.js';
import { checkOperation } from './check-operation.js';
import { keysOf } from './keys-of.js';
import { CONDITIONS_MAX, CONTENT_TYPE_BYTES_MAX, messageBytesMax, TRANSACTION_OPERATIONS_MAX } from './limits.js';
import { decodeOperation, encodeOperation } from './operation-codec.js';
import type { Operation, Put } from './operation.js';

const LIMITS = { maxValueBytes: 100 };
const MIB = 1024 * 1024;
const put: Put = {
  type: 'put',
  key: Buffer.from('key'),
  value: Buffer.from('value'),
  contentType: undefined,
  expiry: { type: 'never' },
  conditions: [],
  returnOld: false,
};
const transaction = { type: 'transaction', compare: [], then: [], otherwise: [], continueOnFailure: false } as const;
const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);

describe('checkOperation', () => {
  it('lets pass what every codec can carry', () => {
    const { write } = operationsOf({
      key: fc.constant(Buffer.alloc(1024, 'k')),
      value: fc.constantFrom(Buffer.alloc(0), Buffer.alloc(100)),
      version: fc.maxSafeNat(),
      timeMs: fc.maxSafeNat(),
      lifetimeMs: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      offset: fc.maxSafeNat(),
      bitOffset: fc.maxSafeNat(),
      decimal: fc.constantFrom('0', '-1.5', '1e300'),
    });
    fc.assert(
      fc.property(write, (operation) => {
        checkOperation(operation, LIMITS);
        expect(decodeOperation(Buffer.concat(encodeOperation(operation)))).toEqual(operation);
      }),
    );
  });

  it.each<[string, Operation, ErrorCode]>([
    ['an empty key', { ...put, key: Buffer.alloc(0) }, 'key-empty'],
    ['a long key', { type: 'get', key: Buffer.alloc(1025) }, 'key-too-long'],
    ['a large value', { ...put, value: Buffer.alloc(101) }, 'value-too-large'],
    ['a large value to append', { type: 'append', key: put.key, value: Buffer.alloc(101), conditions: [] }, 'value-too-large'],
    ['a long content type', { ...put, contentType: 'x'.repeat(CONTENT_TYPE_BYTES_MAX + 1) }, 'bad-parameter'],
    ['a content type that is no ASCII', { ...put, contentType: 'é' }, 'bad-parameter'],
    ['a lifetime of nothing', { ...put, expiry: { type: 'in', ms: 0 } }, 'bad-parameter'],
    ['half a millisecond', { ...put, expiry: { type: 'at', atMs: 0.5 } }, 'bad-parameter'],
    ['too many conditions', { ...put, conditions: many(CONDITIONS_MAX + 1, { type: 'present' }) }, 'bad-parameter'],
    ['a number of more than 64 bits', { type: 'add', key: put.key, by: 2n ** 63n, conditions: [] }, 'bad-parameter'],
    ['what is no number', { type: 'add-decimal', key: put.key, by: 'inf' }, 'bad-parameter'],
    ['a negative offset', { type: 'set-range', key: put.key, offset: -1, value: put.value }, 'bad-parameter'],
    ['a key in a transaction', { ...transaction, then: [{ type: 'get', key: Buffer.alloc(0) }] }, 'key-empty'],
    ['another key in a copy', { type: 'copy', from: Buffer.alloc(0), key: put.key, move: true, replace: true }, 'key-empty'],
    ['a source', { type: 'bit-operation', operator: 'or', key: put.key, sources: [Buffer.alloc(1025)] }, 'key-too-long'],
    ['no source', { type: 'bit-operation', operator: 'or', key: put.key, sources: [] }, 'bad-parameter'],
    [
      'a field of 64 bits without a sign',
      { type: 'bit-field', key: put.key, steps: [{ type: 'get', signed: false, bits: 64, offset: 0 }] },
      'bad-parameter',
    ],
    ['too many operations', { ...transaction, then: many(TRANSACTION_OPERATIONS_MAX + 1, put) }, 'bad-parameter'],
  ])('refuses %s', (_what, operation, code) => {
    expect(() => checkOperation(operation, LIMITS)).toThrow(expect.objectContaining({ code }));
  });

  it('bounds all of a transaction together, so that it is one message', () => {
    const limits = { maxValueBytes: 16 * MIB };
    const large = { ...put, value: Buffer.alloc(16 * MIB) };
    const two = { ...transaction, then: [large, large] };
    checkOperation(two, limits);
    const bytes = encodeOperation(two).reduce((sum, piece) => sum + piece.length, 0);
    expect(bytes).toBeLessThanOrEqual(messageBytesMax(limits));
    const three = { ...transaction, then: [large, large, large] };
    expect(() => checkOperation(three, limits)).toThrow(expect.objectContaining({ code: 'value-too-large' }));
    const small = Buffer.alloc(1024, 'k');
    const full = { ...transaction, then: many(TRANSACTION_OPERATIONS_MAX, { ...put, key: small, value: Buffer.alloc(31_000) }) };
    checkOperation(full, limits);
    const fullBytes = encodeOperation(full).reduce((sum, piece) => sum + piece.length, 0);
    expect(fullBytes).toBeLessThanOrEqual(messageBytesMax(limits));
  });
});

describe('keysOf', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => Buffer.from(name)) as [Buffer, Buffer, Buffer];

  it('names every key once', () => {
    expect(keysOf(put)).toEqual([put.key]);
    expect(keysOf({ type: 'clear' })).toEqual([]);
    expect(keysOf({ type: 'copy', from: a, key: b, move: true, replace: true })).toEqual([a, b]);
    expect(keysOf({ type: 'bit-operation', operator: 'or', key: a, sources: [b, Buffer.from('a'), b] })).toEqual([a, b]);
    const compare = [{ key: c, conditions: [] }];
    const then = [{ type: 'copy', from: a, key: b, move: true, replace: true } as const];
    const otherwise = [{ type: 'get', key: a } as const, put];
    expect(keysOf({ ...transaction, compare, then, otherwise })).toEqual([c, a, b, put.key]);
  });
});
