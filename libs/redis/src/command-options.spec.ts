/**
 * The option grammars of SET, GETEX, EXPIRE and SCAN. What is refused, and how, was observed on redis-server 7.0.15.
 */
import { describe, expect, it } from '@jest/globals';

import { parseExpireCondition, permitsExpiry } from './expire-options.js';
import { parseGetExOptions } from './getex-options.js';
import type { Parsed } from './parsed.js';
import { parseScanOptions } from './scan-options.js';
import { parseSetOptions } from './set-options.js';

const nowMs = 1_700_000_000_000;
const SYNTAX = 'ERR syntax error';
const NOT_INTEGER = 'ERR value is not an integer or out of range';

const args = (line: string) => line.split(' ').map((arg) => Buffer.from(arg));
const shown = <T>(result: Parsed<T>): T | string => (result.ok ? result.value : result.error.text);

describe('SET', () => {
  const set = (line: string) => shown(parseSetOptions(args(line), nowMs));

  it.each<[string, object]>([
    [
      'SET k v',
      {
        condition: { kind: 'always' },
        returnsOldValue: false,
        keepsExpiry: false,
        expiresAtMs: undefined,
        relative: false,
      },
    ],
    ['SET k v nx', { condition: { kind: 'if-absent' } }],
    ['SET k v XX XX', { condition: { kind: 'if-present' } }],
    ['SET k v IFEQ old', { condition: { kind: 'if-equal', value: Buffer.from('old') } }],
    [
      'SET k v IFEQ nx GET',
      { condition: { kind: 'if-equal', value: Buffer.from('nx') }, returnsOldValue: true },
    ],
    ['SET k v NX GET', { condition: { kind: 'if-absent' }, returnsOldValue: true }],
    ['SET k v EX 10', { expiresAtMs: nowMs + 10_000, relative: true }],
    [
      'SET k v px 10 GET xx',
      { expiresAtMs: nowMs + 10, returnsOldValue: true, condition: { kind: 'if-present' } },
    ],
    ['SET k v EXAT 10', { expiresAtMs: 10_000 }],
    ['SET k v PXAT 10', { expiresAtMs: 10, relative: false }],
    ['SET k v EX 10 EX 20', { expiresAtMs: nowMs + 20_000 }],
    ['SET k v KEEPTTL KEEPTTL', { keepsExpiry: true, expiresAtMs: undefined }],
  ])('%s', (line, expected) => {
    expect(set(line)).toMatchObject(expected);
  });

  it.each<[string, string]>([
    ['SET k v EX', SYNTAX],
    ['SET k v EX 10 PX 10', SYNTAX],
    ['SET k v NX XX', SYNTAX],
    ['SET k v NX IFEQ x', SYNTAX],
    ['SET k v IFEQ x XX', SYNTAX],
    ['SET k v IFEQ', SYNTAX],
    ['SET k v EX 10 KEEPTTL', SYNTAX],
    ['SET k v KEEPTTL EX 10', SYNTAX],
    ['SET k v PERSIST', SYNTAX],
    ['SET k v foo', SYNTAX],
    ['SET k v EX abc foo', SYNTAX],
    ['SET k v EX EX', NOT_INTEGER],
    ['SET k v EX abc', NOT_INTEGER],
    ['SET k v EX 0', "ERR invalid expire time in 'set' command"],
    ['SET k v PX -1', "ERR invalid expire time in 'set' command"],
  ])('%s: %s', (line, text) => {
    expect(set(line)).toBe(text);
  });
});

describe('GETEX', () => {
  it.each<[string, unknown]>([
    ['GETEX k', { kind: 'keep' }],
    ['GETEX k PERSIST', { kind: 'persist' }],
    ['GETEX k persist PERSIST', { kind: 'persist' }],
    ['GETEX k EX 10', { kind: 'expire', expiresAtMs: nowMs + 10_000, relative: true }],
    ['GETEX k EX 10 ex 20', { kind: 'expire', expiresAtMs: nowMs + 20_000, relative: true }],
    ['GETEX k PXAT 10', { kind: 'expire', expiresAtMs: 10, relative: false }],
    ['GETEX k EX', SYNTAX],
    ['GETEX k PERSIST EX 10', SYNTAX],
    ['GETEX k EX 10 PERSIST', SYNTAX],
    ['GETEX k EX 10 PX 10', SYNTAX],
    ['GETEX k KEEPTTL', SYNTAX],
    ['GETEX k foo', SYNTAX],
    ['GETEX k EX abc', NOT_INTEGER],
    ['GETEX k EX 0', "ERR invalid expire time in 'getex' command"],
  ])('%s', (line, expected) => {
    expect(shown(parseGetExOptions(args(line), nowMs))).toEqual(expected);
  });
});

describe('EXPIRE', () => {
  const none = { ifNone: false, ifSome: false, ifLater: false, ifSooner: false };
  const NX_WITH = 'ERR NX and XX, GT or LT options at the same time are not compatible';

  it.each<[string, unknown]>([
    ['EXPIRE k 10', none],
    ['EXPIRE k 10 nx NX', { ...none, ifNone: true }],
    ['EXPIRE k 10 XX GT', { ...none, ifSome: true, ifLater: true }],
    ['EXPIRE k 10 LT', { ...none, ifSooner: true }],
    ['EXPIRE k 10 FOO', 'ERR Unsupported option FOO'],
    ['EXPIRE k 10 NX XX', NX_WITH],
    ['EXPIRE k 10 GT NX', NX_WITH],
    ['EXPIRE k 10 GT LT', 'ERR GT and LT options at the same time are not compatible'],
  ])('%s', (line, expected) => {
    expect(shown(parseExpireCondition(args(line)))).toEqual(expected);
  });

  // Columns: no expiry yet; expiry at 100 and set to 50, 100, 150.
  it.each<[string, boolean[]]>([
    ['', [true, true, true, true]],
    [' NX', [true, false, false, false]],
    [' XX', [false, true, true, true]],
    [' GT', [false, false, false, true]],
    [' LT', [true, true, false, false]],
    [' XX LT', [false, true, false, false]],
    [' XX GT', [false, false, false, true]],
  ])('condition%s', (options, expected) => {
    const condition = parseExpireCondition(args(`EXPIRE k 10${options}`));
    const cases: [number | undefined, number][] = [
      [undefined, 100],
      [100, 50],
      [100, 100],
      [100, 150],
    ];
    expect(
      cases.map(([current, next]) => condition.ok && permitsExpiry(condition.value, current, next)),
    ).toEqual(expected);
  });
});

describe('SCAN', () => {
  const scan = (line: string) => shown(parseScanOptions(args(line)));

  it('has defaults', () => {
    expect(scan('SCAN 0')).toEqual({ cursor: 0, pattern: undefined, count: 10, type: undefined });
  });

  it('takes its options in any order and case', () => {
    const options = scan('SCAN 0042 TYPE String match a* COUNT 100');
    expect(options).toMatchObject({ cursor: 42, count: 100, type: 'string' });
    expect(typeof options === 'object' && options.pattern?.matches(Buffer.from('abc'))).toBe(true);
  });

  it.each<[string, unknown]>([
    ['SCAN 9007199254740991', { cursor: 2 ** 53 - 1 }],
    ['SCAN 0 COUNT 9223372036854775807', { count: 10_000 }],
    ['SCAN 0 COUNT 5 COUNT 7', { count: 7 }],
  ])('%s', (line, expected) => {
    expect(scan(line)).toMatchObject(expected as object);
  });

  it.each<[string, string]>([
    ['SCAN abc', 'ERR invalid cursor'],
    ['SCAN -1', 'ERR invalid cursor'],
    ['SCAN 1.5', 'ERR invalid cursor'],
    ['SCAN 9007199254740992', 'ERR invalid cursor'],
    ['SCAN 18446744073709551616', 'ERR invalid cursor'],
    [`SCAN ${'0'.repeat(100_000)}`, 'ERR invalid cursor'],
    ['SCAN 0 COUNT', SYNTAX],
    ['SCAN 0 COUNT 0', SYNTAX],
    ['SCAN 0 COUNT -5', SYNTAX],
    ['SCAN 0 COUNT abc', NOT_INTEGER],
    ['SCAN 0 COUNT 99999999999999999999', NOT_INTEGER],
    ['SCAN 0 COUNT 10 COUNT 0', SYNTAX],
    ['SCAN 0 MATCH', SYNTAX],
    ['SCAN 0 FOO a', SYNTAX],
    [`SCAN 0 MATCH ${'a'.repeat(65_537)}`, 'ERR pattern is longer than 65536 bytes'],
  ])('%.40s: %s', (line, text) => {
    expect(scan(line)).toBe(text);
  });
});
