/** Examples, many of them those of the Redis documentation of the command, and what the model does not reach. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';
import type { Op } from '@diststore/replication';

import { decide, storageNeed } from './decide.js';
import type { Decision } from './decide.js';
import type { DecisionView, Row } from './draft.js';
import type { BitFieldStep, Expiry, ExpiryRule, Put, SingleWrite, Transaction, WriteOperation } from './operation.js';
import type { Result } from './result.js';

const MIB = 1024 * 1024;
const CLOCK_MS = 1_000_000;
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const KEY = bytes('mykey');

describe('decide', () => {
  let rows: Map<string, Row>;
  let seq: number;

  beforeEach(() => {
    rows = new Map();
    seq = 0;
  });

  const decideNow = (operation: WriteOperation, maxValueBytes = MIB): Decision => {
    const view: DecisionView = {
      seq: seq + 1,
      clockMs: CLOCK_MS,
      counts: { keys: 10, bytes: 1000 },
      get: (key) => rows.get(Buffer.from(key).toString('latin1')),
    };
    return decide(operation, view, { maxValueBytes });
  };
  const perform = (operation: WriteOperation): Result => {
    const { ops, result } = decideNow(operation);
    if (ops.length > 0) seq += 1;
    for (const op of ops) apply(op);
    return result;
  };
  const apply = (op: Op): void => {
    if (op.type === 'clear') rows.clear();
    else if (op.type === 'del') rows.delete(Buffer.from(op.key).toString('latin1'));
    else rows.set(Buffer.from(op.key).toString('latin1'), { ...op, version: seq });
  };
  const put = (text: string, more: Partial<Put> = {}): Put => ({
    type: 'put',
    key: KEY,
    value: bytes(text),
    contentType: undefined,
    expiry: { type: 'never' },
    conditions: [],
    returnOld: false,
    ...more,
  });
  const stored = (name = 'mykey'): string | undefined => {
    const row = rows.get(name);
    return row === undefined ? undefined : Buffer.from(row.payload).toString('latin1');
  };
  const setExpiry = (expiry: Exclude<Expiry, { type: 'keep' }>, rules: ExpiryRule[] = []): Result =>
    perform({ type: 'set-expiry', key: KEY, expiry, rules, conditions: [], returnOld: false });
  const transaction = (then: Transaction['then'], more: Partial<Transaction> = {}): Transaction => ({
    type: 'transaction',
    compare: [],
    then,
    otherwise: [],
    continueOnFailure: false,
    ...more,
  });

  describe('INCRBY', () => {
    const add = (by: bigint): Result => perform({ type: 'add', key: KEY, by, conditions: [] });

    it('counts from 0, and from what is there', () => {
      expect(add(5n)).toEqual({ type: 'number', version: 1, number: '5', created: true });
      perform(put('10', { contentType: 'text/plain', expiry: { type: 'in', ms: 1000 } }));
      expect(add(5n)).toEqual({ type: 'number', version: 3, number: '15', created: false });
      expect(rows.get('mykey')).toMatchObject({ contentType: 'text/plain', expireAtMs: CLOCK_MS + 1000 });
    });

    it.each(['', ' 1', '1.0', '01', '9223372036854775808', 'abc'])('is refused on %j', (text) => {
      perform(put(text));
      expect(add(1n)).toEqual({ type: 'failed', reason: 'not-an-integer' });
      expect([stored(), seq]).toEqual([text, 1]);
    });

    it('does not overflow', () => {
      perform(put('9223372036854775807'));
      expect(add(1n)).toEqual({ type: 'failed', reason: 'overflow' });
      expect(add(-1n)).toMatchObject({ number: '9223372036854775806' });
      perform(put('-9223372036854775808'));
      expect(add(-1n)).toEqual({ type: 'failed', reason: 'overflow' });
      expect(add(9223372036854775807n)).toMatchObject({ number: '-1' });
    });
  });

  describe('INCRBYFLOAT', () => {
    const add = (by: string): Result => perform({ type: 'add-decimal', key: KEY, by });

    it.each([
      ['10.50', '0.1', '10.6'],
      ['10.6', '-5', '5.6'],
      ['5.0e3', '2.0e2', '5200'],
    ])('%s + %s = %s', (from, by, to) => {
      perform(put(from));
      expect(add(by)).toEqual({ type: 'number', version: 2, number: to, created: false });
      expect(stored()).toBe(to);
    });

    it('is refused where there is no number, or none comes out', () => {
      perform(put('abc'));
      expect(add('1')).toEqual({ type: 'failed', reason: 'not-a-number' });
      perform(put('inf'));
      expect(add('1')).toEqual({ type: 'failed', reason: 'not-finite' });
    });
  });

  describe('APPEND and SETRANGE', () => {
    const append = (text: string): Result => perform({ type: 'append', key: KEY, value: bytes(text), conditions: [] });
    const setRange = (offset: number, text: string): Result =>
      perform({ type: 'set-range', key: KEY, offset, value: bytes(text) });

    it('put text behind and into text', () => {
      expect(append('Hello')).toMatchObject({ length: 5, created: true });
      expect(append(' World')).toMatchObject({ length: 11, created: false });
      expect(setRange(6, 'Redis')).toMatchObject({ length: 11 });
      expect(stored()).toBe('Hello Redis');
    });

    it('fill a gap with zeros', () => {
      expect(setRange(6, 'Redis')).toEqual({ type: 'length', version: 1, length: 11, created: true });
      expect(stored()).toBe('\0\0\0\0\0\0Redis');
    });

    it('change nothing with nothing', () => {
      expect(setRange(600_000_000, '')).toEqual({ type: 'length', version: 0, length: 0, created: false });
      expect([stored(), seq]).toEqual([undefined, 0]);
      expect(append('')).toEqual({ type: 'length', version: 1, length: 0, created: true });
      expect(append('')).toEqual({ type: 'length', version: 1, length: 0, created: false });
      expect(setRange(3, '')).toEqual({ type: 'length', version: 1, length: 0, created: false });
      expect([stored(), seq]).toEqual(['', 1]);
    });

    it('stop at the largest value', () => {
      expect(setRange(MIB - 1, 'x')).toMatchObject({ length: MIB });
      expect(append('x')).toEqual({ type: 'failed', reason: 'too-large' });
      expect(setRange(MIB, 'x')).toEqual({ type: 'failed', reason: 'too-large' });
      expect(setRange(Number.MAX_SAFE_INTEGER, 'x')).toEqual({ type: 'failed', reason: 'too-large' });
    });

    it('leave what they found as it was, for those who still hold it', () => {
      perform(put('Hello'));
      const before = rows.get('mykey');
      setRange(0, 'J');
      perform({ type: 'set-bit', key: KEY, offset: 7, bit: 1 });
      perform({ type: 'bit-operation', operator: 'not', key: KEY, sources: [KEY] });
      expect(Buffer.from(before?.payload ?? []).toString()).toBe('Hello');
    });
  });

  describe('SETBIT', () => {
    const setBit = (offset: number, bit: 0 | 1): Result => perform({ type: 'set-bit', key: KEY, offset, bit });

    it('numbers bits from the highest of the first byte', () => {
      expect(setBit(7, 1)).toEqual({ type: 'number', version: 1, number: '0', created: true });
      expect(stored()).toBe('\x01');
      expect(setBit(7, 0)).toEqual({ type: 'number', version: 2, number: '1', created: false });
      expect(setBit(8, 1)).toMatchObject({ number: '0' });
      expect(stored()).toBe('\0\x80');
    });

    it('writes what was a zero that is only read, and nothing where the bit is so already', () => {
      expect(setBit(9, 0)).toMatchObject({ version: 1, number: '0', created: true });
      expect(stored()).toBe('\0\0');
      expect(setBit(9, 0)).toMatchObject({ version: 1, number: '0', created: false });
      expect(seq).toBe(1);
    });

    it('stops at the largest value', () => {
      expect(setBit(MIB * 8, 1)).toEqual({ type: 'failed', reason: 'too-large' });
      expect(setBit(2 ** 40, 1)).toEqual({ type: 'failed', reason: 'too-large' });
      expect(setBit(MIB * 8 - 1, 1)).toMatchObject({ number: '0' });
    });
  });

  describe('BITFIELD', () => {
    const field = (...steps: BitFieldStep[]): readonly (string | null)[] => {
      const result = perform({ type: 'bit-field', key: KEY, steps });
      return result.type === 'numbers' ? result.numbers : [result.type];
    };
    const at = (signed: boolean, bits: number, offset: number) => ({ signed, bits, offset });
    const wrap = 'wrap' as const;

    it('adds to one field and reads another', () => {
      const add = { type: 'add', ...at(true, 5, 100), value: 1n, overflow: wrap } as const;
      expect(field(add, { type: 'get', ...at(false, 4, 0) })).toEqual(['1', '0']);
    });

    it('overflows as is asked: the example of the documentation', () => {
      const wrapping = { type: 'add', ...at(false, 2, 100), value: 1n, overflow: wrap } as const;
      const saturating = { type: 'add', ...at(false, 2, 102), value: 1n, overflow: 'saturate' } as const;
      expect([1, 2, 3, 4].map(() => field(wrapping, saturating))).toEqual([
        ['1', '1'],
        ['2', '2'],
        ['3', '3'],
        ['0', '3'],
      ]);
      const failing = { type: 'add', ...at(false, 2, 102), value: 1n, overflow: 'fail' } as const;
      expect(field(failing)).toEqual([null]);
    });

    it('gives what a SET replaces, and takes what does not fit for an overflow', () => {
      perform(put('\xff'));
      const set = { type: 'set', ...at(false, 8, 0), overflow: wrap } as const;
      expect(field({ ...set, value: 256n + 7n })).toEqual(['255']);
      expect(stored()).toBe('\x07');
      expect(field({ ...set, value: -1n, overflow: 'saturate' })).toEqual(['7']);
      expect(stored()).toBe('\xff');
      expect(field({ ...set, signed: true, value: -129n, overflow: 'saturate' })).toEqual(['-1']);
      expect(stored()).toBe('\x80');
      expect(field({ ...set, value: 256n, overflow: 'fail' })).toEqual([null]);
    });

    it('holds 64 bits, signed, at any offset', () => {
      const wide = { signed: true, bits: 64, offset: 3 };
      const add = { type: 'add', ...wide, value: 1n, overflow: wrap } as const;
      expect(field({ type: 'set', ...wide, value: 2n ** 63n - 1n, overflow: wrap }, add)).toEqual([
        '0',
        '-9223372036854775808',
      ]);
      expect(field({ ...add, value: -1n, overflow: 'saturate' })).toEqual(['-9223372036854775808']);
      expect(stored()).toHaveLength(9);
    });

    it('only reads where it only gets, and extends the value even where every step fails', () => {
      expect(field({ type: 'get', ...at(true, 64, 1000) })).toEqual(['0']);
      expect(rows.size).toBe(0);
      expect(field({ type: 'set', ...at(false, 8, 16), value: 256n, overflow: 'fail' })).toEqual([null]);
      expect(stored()).toBe('\0\0\0');
    });
  });

  describe('BITOP', () => {
    const combine = (operator: 'and' | 'or' | 'xor' | 'not', ...sources: string[]): Result =>
      perform({ type: 'bit-operation', operator, key: KEY, sources: sources.map(bytes) });

    it('takes a shorter source for one that ends in zeros', () => {
      perform(put('foobar', { key: bytes('key1') }));
      perform(put('abcdef', { key: bytes('key2') }));
      perform(put('\xff', { key: bytes('short') }));
      expect(combine('and', 'key1', 'key2')).toMatchObject({ length: 6, created: true });
      expect(stored()).toBe('`bc`ab');
      combine('or', 'key1', 'short');
      expect(stored()).toBe('\xffoobar');
      combine('xor', 'key1', 'key1', 'key2');
      expect(stored()).toBe('abcdef');
      combine('and', 'key1', 'missing');
      expect(stored()).toBe('\0\0\0\0\0\0');
      combine('not', 'short');
      expect(stored()).toBe('\0');
    });

    it('forgets type and expiry, and deletes where there is nothing to store', () => {
      perform(put('x', { contentType: 'text/plain', expiry: { type: 'in', ms: 9 } }));
      combine('or', 'mykey');
      expect(rows.get('mykey')).toMatchObject({ contentType: undefined, expireAtMs: 0 });
      expect(combine('or', 'a', 'b')).toEqual({ type: 'length', version: 3, length: 0, created: false });
      expect(stored()).toBeUndefined();
      expect(combine('or', 'a', 'b')).toEqual({ type: 'length', version: 0, length: 0, created: false });
      expect(seq).toBe(3);
    });
  });

  describe('expiry', () => {
    it('has the rules of EXPIRE', () => {
      const at = (ms: number) => ({ type: 'in', ms }) as const;
      expect(setExpiry(at(10))).toEqual({ type: 'absent' });
      perform(put('x'));
      expect(setExpiry(at(10), ['if-some'])).toMatchObject({ type: 'refused', version: 1 });
      expect(setExpiry(at(10), ['if-later'])).toMatchObject({ type: 'refused' });
      expect(setExpiry(at(10), ['if-earlier'])).toMatchObject({ type: 'stored', version: 2, expireAtMs: CLOCK_MS + 10 });
      expect(setExpiry(at(10), ['if-none'])).toMatchObject({ type: 'refused' });
      expect(setExpiry(at(11), ['if-earlier'])).toMatchObject({ type: 'refused' });
      expect(setExpiry(at(11), ['if-some', 'if-later'])).toMatchObject({ expireAtMs: CLOCK_MS + 11 });
      expect(setExpiry({ type: 'never' }, ['if-some'])).toMatchObject({ type: 'stored', version: 4, expireAtMs: 0 });
      expect(setExpiry({ type: 'never' }, ['if-some'])).toMatchObject({ type: 'refused' });
      expect(setExpiry({ type: 'never' })).toMatchObject({ type: 'stored', version: 4 });
    });

    it('in the past deletes, the beginning of time included', () => {
      for (const atMs of [0, 1, CLOCK_MS]) {
        perform(put('x'));
        expect(setExpiry({ type: 'at', atMs })).toMatchObject({ type: 'deleted' });
        expect(perform(put('y', { expiry: { type: 'at', atMs } }))).toEqual({ type: 'absent' });
        perform(put('x'));
        expect(perform(put('y', { expiry: { type: 'at', atMs }, returnOld: true }))).toMatchObject({
          type: 'deleted',
          old: { payload: bytes('x') },
        });
        expect(stored()).toBeUndefined();
      }
    });

    it('is kept by a put that says so, and never beyond what can be stored', () => {
      perform(put('x', { expiry: { type: 'in', ms: 5 } }));
      expect(perform(put('y', { expiry: { type: 'keep' } }))).toMatchObject({ expireAtMs: CLOCK_MS + 5 });
      expect(perform(put('y', { expiry: { type: 'in', ms: Number.MAX_SAFE_INTEGER } }))).toMatchObject({
        expireAtMs: Number.MAX_SAFE_INTEGER,
      });
    });

    it('is that of a row that is replaced, though it is long absent', () => {
      rows.set('mykey', { version: 1, expireAtMs: CLOCK_MS, contentType: 'a/b', payload: bytes('12345') });
      const { ops, counts, result } = decideNow({ type: 'append', key: KEY, value: bytes('x'), conditions: [] });
      expect(result).toEqual({ type: 'length', version: 1, length: 1, created: true });
      expect(ops).toEqual([
        {
          type: 'put',
          key: KEY,
          oldExpireAtMs: CLOCK_MS,
          expireAtMs: 0,
          contentType: undefined,
          payload: bytes('x'),
        },
      ]);
      expect(counts).toEqual({ keys: 10, bytes: 996 });
    });
  });

  describe('conditions', () => {
    it('refuse with the version that is there, and with what is there if that is asked for', () => {
      perform(put('old'));
      expect(perform(put('new', { conditions: [{ type: 'absent' }] }))).toEqual({
        type: 'refused',
        version: 1,
        old: undefined,
      });
      const equals = [{ type: 'value', equals: bytes('other') }] as const;
      expect(perform({ type: 'delete', key: KEY, conditions: equals, returnOld: true })).toEqual({
        type: 'refused',
        version: 1,
        old: { version: 1, expireAtMs: 0, contentType: undefined, payload: bytes('old') },
      });
      const present = [{ type: 'version', anyOf: [1] }] as const;
      expect(perform({ type: 'delete', key: bytes('none'), conditions: present, returnOld: true })).toEqual({
        type: 'refused',
        version: 0,
        old: undefined,
      });
      expect(perform(put('new', { conditions: present, returnOld: true }))).toMatchObject({
        type: 'stored',
        version: 2,
        old: { version: 1, payload: bytes('old') },
      });
      expect(perform(put('x', { conditions: present }))).toMatchObject({ type: 'refused', version: 2 });
    });
  });

  describe('a transaction', () => {
    const add: SingleWrite = { type: 'add', key: KEY, by: 1n, conditions: [] };
    const append: SingleWrite = { type: 'append', key: KEY, value: bytes('x'), conditions: [] };

    it('takes one branch or the other', () => {
      const compare = [{ key: KEY, conditions: [{ type: 'absent' }] }] as const;
      const operation = transaction([put('first')], { compare, otherwise: [append, { type: 'get', key: KEY }] });
      expect(perform(operation)).toMatchObject({ held: true, version: 1, results: [{ type: 'stored' }] });
      expect(perform(operation)).toMatchObject({
        held: false,
        version: 2,
        results: [{ length: 6 }, { record: { version: 2, payload: bytes('firstx') } }],
      });
    });

    it('is undone by an operation that fails, or only lacks that one, as is asked', () => {
      expect(perform(transaction([add, append, add]))).toEqual({
        type: 'failed',
        reason: 'not-an-integer',
        operation: 2,
      });
      expect([seq, rows.size]).toEqual([0, 0]);
      expect(perform(transaction([add, append, add, append], { continueOnFailure: true }))).toMatchObject({
        version: 1,
        results: [{ number: '1' }, { length: 2 }, { type: 'failed' }, { length: 3 }],
      });
      expect(stored()).toBe('1xx');
    });

    it('gives one operation for each key, in the order in which they were first written', () => {
      rows.set('b', { version: 1, expireAtMs: CLOCK_MS - 1, contentType: undefined, payload: bytes('gone') });
      rows.set('c', { version: 1, expireAtMs: CLOCK_MS + 1, contentType: undefined, payload: bytes('here') });
      const at = (name: string) => put('v', { key: bytes(name) });
      const drop = (name: string) =>
        ({ type: 'delete', key: bytes(name), conditions: [], returnOld: false }) as const;
      const { ops, counts, result } = decideNow(
        transaction([at('a'), at('b'), drop('c'), at('c'), drop('a'), drop('a'), drop('b'), at('b')]),
      );
      expect(ops).toMatchObject([
        { type: 'del', key: bytes('a'), oldExpireAtMs: 0 },
        { type: 'put', key: bytes('b'), oldExpireAtMs: CLOCK_MS - 1, expireAtMs: 0 },
        { type: 'put', key: bytes('c'), oldExpireAtMs: CLOCK_MS + 1, expireAtMs: 0 },
      ]);
      expect(counts).toEqual({ keys: 10, bytes: 1000 - 3 - 3 });
      expect(result).toMatchObject({ version: 1, results: [{}, {}, {}, {}, { type: 'deleted' }, { type: 'absent' }, {}, {}] });
    });

    it('stays within one message, both in what it writes and in what it answers', () => {
      const limits = 16 * MIB;
      rows.set('mykey', { version: 1, expireAtMs: 0, contentType: undefined, payload: Buffer.alloc(limits) });
      const reads = transaction([1, 2, 3].map(() => ({ type: 'get', key: KEY }) as const));
      expect(decideNow(reads, limits).result).toEqual({ type: 'failed', reason: 'too-large' });
      const copies = transaction(
        [1, 2, 3].map((i) => ({ type: 'copy', from: KEY, key: bytes(`copy${i}`), move: false, replace: true }) as const),
      );
      const { ops, counts, result } = decideNow(copies, limits);
      expect([ops, counts, result]).toEqual([
        [],
        { keys: 10, bytes: 1000 },
        { type: 'failed', reason: 'too-large' },
      ]);
      expect(decideNow({ ...reads, then: reads.then.slice(1) }, limits).result).toMatchObject({ held: true });
    });
  });

  describe('a damaged record', () => {
    const damaged = new StoreError('record-corrupt', 'it is damaged');

    beforeEach(() => {
      const version = Number.MAX_SAFE_INTEGER;
      rows.set('mykey', { version, expireAtMs: 0, contentType: undefined, payload: bytes(''), damaged });
    });

    it('can be replaced, deleted and compared with nothing', () => {
      expect(decideNow(put('new')).result).toMatchObject({ type: 'stored', created: false });
      expect(decideNow({ type: 'delete', key: KEY, conditions: [{ type: 'present' }], returnOld: false }).result).toEqual({
        type: 'deleted',
        version: 1,
        old: undefined,
      });
      expect(decideNow(put('new')).counts).toEqual({ keys: 10, bytes: 1003 });
    });

    it.each<[string, WriteOperation]>([
      ['its value', put('new', { returnOld: true })],
      ['its expiry', put('new', { expiry: { type: 'keep' } })],
      ['its version', put('new', { conditions: [{ type: 'version', anyOf: [1] }] })],
      ['its version, to be told', put('new', { conditions: [{ type: 'absent' }] })],
      ['itself, to be changed', { type: 'append', key: KEY, value: bytes('x'), conditions: [] }],
      ['itself, to be kept', { type: 'set-expiry', key: KEY, expiry: { type: 'never' }, rules: [], conditions: [], returnOld: false }],
      ['itself, to be copied', { type: 'copy', from: KEY, key: bytes('b'), move: true, replace: true }],
      ['its bits', { type: 'bit-field', key: KEY, steps: [] }],
      ['its bits, elsewhere', { type: 'bit-operation', operator: 'not', key: bytes('b'), sources: [KEY] }],
    ])('fails what needs %s', (_what, operation) => {
      expect(() => decideNow(operation)).toThrow(damaged);
    });
  });

  describe('storageNeed', () => {
    const needOf = (operation: WriteOperation): number => storageNeed(operation, decideNow(operation));

    it('is what is written, and nothing for what adds no data', () => {
      expect(needOf(put('12345'))).toBe(10);
      perform(put('12345', { expiry: { type: 'in', ms: 9 } }));
      expect(needOf({ type: 'append', key: KEY, value: bytes('6'), conditions: [] })).toBe(11);
      expect(needOf({ type: 'delete', key: KEY, conditions: [], returnOld: false })).toBe(0);
      expect(needOf({ type: 'clear' })).toBe(0);
      const forget: SingleWrite = { type: 'set-expiry', key: KEY, expiry: { type: 'never' }, rules: [], conditions: [], returnOld: false };
      expect(needOf(forget)).toBe(0);
      expect(needOf(transaction([forget]))).toBe(0);
      expect(needOf(transaction([forget, put('12')]))).toBe(7);
      expect(needOf(put('1', { conditions: [{ type: 'absent' }] }))).toBe(0);
    });
  });
});
