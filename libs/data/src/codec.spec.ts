/** Operations and results in bytes: what is sent arrives, and nothing else passes for it. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { number64, operationsOf } from '../test/operations.js';
import {
  BIT_FIELD_STEPS_MAX,
  CONDITIONS_MAX,
  CONTENT_TYPE_BYTES_MAX,
  KEY_BYTES_MAX,
  RECEIPT_BYTES_MAX,
  TRANSACTION_OPERATIONS_MAX,
} from './limits.js';
import { decodeOperation, encodeOperation } from './operation-codec.js';
import type { Operation, Put } from './operation.js';
import { receiptOf } from './receipt.js';
import { decodeResult, encodeResult } from './result-codec.js';
import type { Result, StoredValue } from './result.js';

const anyBytes = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const counter = fc.maxSafeNat();

const arbitraries = operationsOf({
  key: anyBytes(1, 40),
  value: fc.oneof(anyBytes(0, 20), anyBytes(500, 530)),
  version: counter,
  timeMs: counter,
  lifetimeMs: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  offset: counter,
  bitOffset: counter,
  decimal: fc.stringMatching(/^[0-9.e+-]{0,40}$/),
});
const operation: fc.Arbitrary<Operation> = fc.oneof(arbitraries.get, arbitraries.write);

const contentType = fc.option(fc.stringMatching(/^[ -~]{0,60}$/), { nil: undefined });
const record: fc.Arbitrary<StoredValue> = fc.record({
  version: counter,
  expireAtMs: counter,
  contentType,
  payload: fc.oneof(anyBytes(0, 20), anyBytes(500, 530)),
});
const old = fc.option(record, { nil: undefined });
const reason = fc.constantFrom(
  ...(['not-an-integer', 'not-a-number', 'overflow', 'not-finite', 'too-large'] as const),
);
const created = fc.boolean();
const number = number64.map(String);
const single: fc.Arbitrary<Exclude<Result, { type: 'transaction' }>> = fc.oneof(
  fc.record({ type: fc.constant('value' as const), record: old }),
  fc.record({ type: fc.constant('stored' as const), version: counter, created, expireAtMs: counter, old }),
  fc.record({ type: fc.constantFrom('deleted' as const, 'refused' as const), version: counter, old }),
  fc.constant({ type: 'absent' as const }),
  fc.record({ type: fc.constant('number' as const), version: counter, number, created }),
  fc.record({
    type: fc.constant('numbers' as const),
    version: counter,
    numbers: fc.array(fc.option(number, { nil: null }), { maxLength: 5 }),
  }),
  fc.record({ type: fc.constant('length' as const), version: counter, length: counter, created }),
  fc.record({ type: fc.constant('cleared' as const), version: counter, removed: counter }),
  fc.record(
    { type: fc.constant('failed' as const), reason, operation: fc.integer({ min: 0, max: 1023 }) },
    { requiredKeys: ['type', 'reason'] },
  ),
);
const result: fc.Arbitrary<Result> = fc.oneof(
  { weight: 3, arbitrary: single },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('transaction' as const),
      held: fc.boolean(),
      version: counter,
      results: fc.array(single, { maxLength: 6 }),
    }),
  },
);

const put: Put = {
  type: 'put',
  key: Buffer.from('key'),
  value: Buffer.alloc(2000, 'v'),
  contentType: 'text/plain',
  expiry: { type: 'at', atMs: 5 },
  conditions: [{ type: 'value', equals: Buffer.from('x') }],
  returnOld: true,
};

const CODECS = [
  { name: 'operations', encode: encodeOperation, decode: decodeOperation, any: operation },
  { name: 'results', encode: encodeResult, decode: decodeResult, any: result },
] as {
  name: string;
  encode: (value: Operation | Result) => Buffer[];
  decode: (bytes: Buffer) => unknown;
  any: fc.Arbitrary<Operation | Result>;
}[];

describe.each(CODECS)('$name in bytes', ({ encode, decode, any }) => {
  it('arrive as they were sent', () => {
    fc.assert(
      fc.property(any, (sent) => {
        expect(decode(Buffer.concat(encode(sent)))).toEqual(sent);
      }),
      { numRuns: 500 },
    );
  });

  it('that end too early or go on too long are refused', () => {
    fc.assert(
      fc.property(any, (sent) => {
        const whole = Buffer.concat(encode(sent));
        for (let length = 0; length < whole.length; length += 1)
          if (decode(whole.subarray(0, length)) !== undefined) throw new Error(`${length} bytes passed`);
        expect(decode(Buffer.concat([whole, Buffer.alloc(1)]))).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  it('that are damaged are refused or are others, but break nothing', () => {
    const damage = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(any, damage, (sent, changes) => {
        const bytes = Buffer.concat(encode(sent));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const received = decode(bytes);
        if (received !== undefined) expect(decode(Buffer.concat(encode(received as Operation | Result)))).toEqual(received);
      }),
      { numRuns: 1000 },
    );
  });

  it('that are junk are refused', () => {
    fc.assert(
      fc.property(anyBytes(0, 64), (junk) => {
        const received = decode(Buffer.concat([Buffer.from([1]), junk]));
        if (received !== undefined) encode(received as Operation | Result);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('operations in bytes', () => {
  it('hold large values as they are, uncopied', () => {
    const pieces = encodeOperation(put);
    expect(pieces).toHaveLength(2);
    expect(pieces[1]).toBe(put.value);
  });

  it('have bounds, whatever they announce', () => {
    const refuses = (asked: Operation): void => expect(decodeOperation(Buffer.concat(encodeOperation(asked)))).toBeUndefined();
    const accepts = (asked: Operation): void => expect(decodeOperation(Buffer.concat(encodeOperation(asked)))).toEqual(asked);
    const get = { type: 'get', key: put.key } as const;
    const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
    const transaction = { type: 'transaction', compare: [], otherwise: [], continueOnFailure: false } as const;
    const half = TRANSACTION_OPERATIONS_MAX / 2;
    accepts({ ...transaction, then: many(half, get), otherwise: many(half, get) });
    refuses({ ...transaction, then: many(half, get), otherwise: many(half + 1, get) });
    accepts({ ...put, key: Buffer.alloc(KEY_BYTES_MAX), contentType: 'x'.repeat(CONTENT_TYPE_BYTES_MAX) });
    refuses({ ...put, key: Buffer.alloc(KEY_BYTES_MAX + 1) });
    refuses({ ...put, key: Buffer.alloc(0) });
    refuses({ ...put, contentType: 'é' });
    refuses({ ...put, conditions: many(CONDITIONS_MAX + 1, { type: 'absent' }) });
    const step = { type: 'get', signed: false, bits: 1, offset: 0 } as const;
    refuses({ type: 'bit-field', key: put.key, steps: many(BIT_FIELD_STEPS_MAX + 1, step) });
    refuses({ type: 'bit-field', key: put.key, steps: [{ ...step, bits: 64 }] });
    refuses({ type: 'bit-field', key: put.key, steps: [{ ...step, bits: 0 }] });
    refuses({ type: 'bit-operation', operator: 'not', key: put.key, sources: [put.key, put.key] });
  });

  it('do not nest', () => {
    const inner = { type: 'transaction', compare: [], then: [], otherwise: [], continueOnFailure: false } as const;
    const outer = { ...inner, then: [{ type: 'get', key: put.key } as const] };
    const bytes = Buffer.concat(encodeOperation(outer));
    // The kind of the one operation, which begins behind the two counts.
    const at = bytes.indexOf(1, 6);
    for (const kind of [13, 14, 0, 15]) {
      bytes[at] = kind;
      expect(decodeOperation(bytes)).toBeUndefined();
    }
  });

  // Persisted nowhere, but spoken between versions: this is what version 1 of the format looks like.
  it('look like this', () => {
    const hex = (asked: Operation): string => Buffer.concat(encodeOperation(asked)).toString('hex');
    expect(hex({ ...put, value: Buffer.from('v') })).toBe(
      '0102' + '00036b6579' + '0a746578742f706c61696e' + '020000000000000005' + '01' + '040000000178' + '01' + '0000000176',
    );
    expect(hex({ type: 'add', key: put.key, by: -1n, conditions: [] })).toBe('010500036b6579ffffffffffffffff00');
    expect(hex({ type: 'clear' })).toBe('010e');
  });
});

describe('receipts', () => {
  const stored: Result = {
    type: 'stored',
    version: 7,
    created: false,
    expireAtMs: 9,
    old: { version: 3, expireAtMs: 0, contentType: 'a/b', payload: Buffer.alloc(5000) },
  };
  const decoded = (of: Result): Result | undefined => decodeResult(Buffer.from(receiptOf(of)));

  it('hold what happened, without values', () => {
    expect(decoded(stored)).toEqual({ ...stored, old: undefined });
    const transaction: Result = {
      type: 'transaction',
      held: true,
      version: 7,
      results: [stored, { type: 'value', record: stored.old }, { type: 'number', version: 7, number: '5', created: true }],
    };
    expect(decoded(transaction)).toEqual({
      ...transaction,
      results: [{ ...stored, old: undefined }, { type: 'value', record: undefined }, transaction.results[2]],
    });
    expect(Buffer.from(receiptOf(stored)).toString('hex')).toBe('0102000000000000000700000000000000000900');
  });

  it('are small, whatever the result', () => {
    const results = Array.from({ length: TRANSACTION_OPERATIONS_MAX }, () => stored);
    const full: Result = { type: 'transaction', held: true, version: 7, results };
    expect(decoded(full)).toMatchObject({ version: 7, results: { length: TRANSACTION_OPERATIONS_MAX } });
    const numbers = Array.from({ length: BIT_FIELD_STEPS_MAX }, () => String(-(2n ** 63n)));
    const fields: Result = { type: 'numbers', version: 7, numbers };
    expect(decoded(fields)).toEqual(fields);
    const huge: Result = { ...full, results: results.map(() => fields) };
    expect(decoded(huge)).toEqual({ ...huge, results: [] });
    for (const one of [full, fields, huge]) expect(receiptOf(one).length).toBeLessThanOrEqual(RECEIPT_BYTES_MAX);
  });

  it('are small for every result that can be', () => {
    fc.assert(
      fc.property(result, (any) => {
        expect(receiptOf(any).length).toBeLessThanOrEqual(RECEIPT_BYTES_MAX);
        expect(decoded(any)).toMatchObject({ type: any.type });
      }),
    );
  });
});
