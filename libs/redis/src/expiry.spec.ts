import { describe, expect, it } from '@jest/globals';

import {
  MILLISECONDS,
  parseDeadline,
  parseExpiry,
  SECONDS,
  UNIX_MILLISECONDS,
  UNIX_SECONDS,
  type ExpiryForm,
} from './expiry.js';
import type { Parsed } from './parsed.js';

const nowMs = 1_700_000_000_000;
const shown = (result: Parsed<number>) => (result.ok ? result.value : result.error.text);
const expiry = (text: string, form: ExpiryForm) =>
  shown(parseExpiry(Buffer.from(text), { form, nowMs, fullName: 'set' }));
const deadline = (text: string, form: ExpiryForm) =>
  shown(parseDeadline(Buffer.from(text), { form, nowMs, fullName: 'expire' }));

const NOT_INTEGER = 'ERR value is not an integer or out of range';
const INVALID_SET = "ERR invalid expire time in 'set' command";
const INVALID_EXPIRE = "ERR invalid expire time in 'expire' command";

describe('the expiry that a write sets', () => {
  it.each<[string, ExpiryForm, number | string]>([
    ['10', SECONDS, nowMs + 10_000],
    ['10', MILLISECONDS, nowMs + 10],
    ['1', UNIX_SECONDS, 1000],
    ['1', UNIX_MILLISECONDS, 1],
    ['0', SECONDS, INVALID_SET],
    ['-1', UNIX_MILLISECONDS, INVALID_SET],
    ['abc', SECONDS, NOT_INTEGER],
    ['9223372036854775808', SECONDS, NOT_INTEGER],
    ['9223372036854775807', SECONDS, INVALID_SET],
    ['9223372036854775807', MILLISECONDS, INVALID_SET],
    ['9007199254740991', UNIX_MILLISECONDS, 2 ** 53 - 1],
    // Redis takes times up to 2^63; what is later than can be kept is kept as the latest.
    ['9007199254740992', UNIX_MILLISECONDS, 2 ** 53 - 1],
    ['9223372036854775807', UNIX_MILLISECONDS, 2 ** 53 - 1],
    ['9223372036854775', UNIX_SECONDS, 2 ** 53 - 1],
    ['9223372036854776', UNIX_SECONDS, INVALID_SET],
    ['9223370336854775807', MILLISECONDS, 2 ** 53 - 1],
    ['9223370336854775808', MILLISECONDS, INVALID_SET],
  ])('%s %j', (text, form, expected) => {
    expect(expiry(text, form)).toBe(expected);
  });
});

describe('the deadline that EXPIRE sets', () => {
  it.each<[string, ExpiryForm, number | string]>([
    ['10', SECONDS, nowMs + 10_000],
    ['0', SECONDS, nowMs],
    ['-10', SECONDS, nowMs - 10_000],
    ['0', UNIX_MILLISECONDS, 1],
    ['-9223372036854775808', MILLISECONDS, 1],
    ['-9223372036854775', SECONDS, 1],
    ['-9223372036854776', SECONDS, INVALID_EXPIRE],
    ['-9223372036854775808', SECONDS, INVALID_EXPIRE],
    ['9223372036854770000', UNIX_MILLISECONDS, 2 ** 53 - 1],
    ['9223372036854775807', SECONDS, INVALID_EXPIRE],
    ['abc', SECONDS, NOT_INTEGER],
  ])('%s %j', (text, form, expected) => {
    expect(deadline(text, form)).toBe(expected);
  });
});
