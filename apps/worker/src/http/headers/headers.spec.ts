import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { MEDIA_RANGES_MAX, parseAccept, prefers, qualityFor } from './accept.js';
import { ifRangeHolds, parseRange, spanOf } from './byte-range.js';
import { ENTITY_TAGS_MAX, parseEntityTags, versionOfTag } from './entity-tag.js';
import { IDEMPOTENCY_KEY_CHARS_MAX, parseIdempotencyKey, requestOf } from './idempotency-key.js';
import { prefersMinimal } from './prefer.js';
import { conditionsOf, judgeRead, preconditionsOf } from './preconditions.js';

/** What a malformed header is answered with: a 400 that names it. */
function malformed(header: string): object {
  return expect.objectContaining({
    code: 'bad-request',
    message: expect.stringMatching(new RegExp(`^The header ${header} is malformed: .+ It is ".*"\\.$`, 's')),
    facts: { header },
  });
}

describe('entity tags', () => {
  it.each([
    ['"1"', [{ weak: false, opaque: '1' }]],
    [' "1" ', [{ weak: false, opaque: '1' }]],
    ['W/"1"', [{ weak: true, opaque: '1' }]],
    [
      '"1","2"',
      [
        { weak: false, opaque: '1' },
        { weak: false, opaque: '2' },
      ],
    ],
    [
      ',, "1" ,, W/"2" ,',
      [
        { weak: false, opaque: '1' },
        { weak: true, opaque: '2' },
      ],
    ],
    ['""', [{ weak: false, opaque: '' }]],
    ['"a,b"', [{ weak: false, opaque: 'a,b' }]],
    ['"\\"', [{ weak: false, opaque: '\\' }]],
    ['*', 'any'],
    [' * ', 'any'],
  ])('%j is read', (text, tags) => {
    expect(parseEntityTags('If-Match', text)).toEqual(tags);
  });

  it.each([
    '',
    ',',
    '1',
    '"1',
    '1"',
    '"1" "2"',
    'w/"1"',
    'W/ "1"',
    '*, "1"',
    '"1", *',
    '"a b"',
    '"1";',
    '"\x7f"',
  ])('%j is refused', (text) => {
    expect(() => parseEntityTags('If-Match', text)).toThrow(malformed('If-Match'));
  });

  it(`more than ${ENTITY_TAGS_MAX} are refused`, () => {
    const tags = Array.from({ length: ENTITY_TAGS_MAX }, (_, i) => `"${i}"`);
    expect(parseEntityTags('If-Match', tags.join())).toHaveLength(ENTITY_TAGS_MAX);
    expect(() => parseEntityTags('If-Match', [...tags, '"x"'].join())).toThrow(malformed('If-Match'));
  });

  it('names a version only in the form in which one is given', () => {
    const version = (opaque: string): number | undefined => versionOfTag({ weak: false, opaque });
    expect(version('7')).toBe(7);
    expect(version('9007199254740991')).toBe(9007199254740991);
    for (const other of ['', '0', '07', '+7', '7 ', '7.0', 'x', '9007199254740993', '1'.repeat(40)]) {
      expect(version(other)).toBeUndefined();
    }
  });

  it('never takes long for a long one', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000 }), (text) => {
        try {
          parseEntityTags('If-Match', text);
        } catch (error) {
          expect(error).toEqual(malformed('If-Match'));
        }
      }),
    );
  });
});

describe('preconditions', () => {
  const of = (match?: string, noneMatch?: string) =>
    preconditionsOf({
      ...(match === undefined ? {} : { 'if-match': match }),
      ...(noneMatch === undefined ? {} : { 'if-none-match': noneMatch }),
    });

  it.each([
    [undefined, undefined, []],
    ['*', undefined, [{ type: 'present' }]],
    ['"1", "2"', undefined, [{ type: 'version', anyOf: [1, 2] }]],
    ['W/"1", "x"', undefined, [{ type: 'version', anyOf: [] }]],
    [undefined, '*', [{ type: 'absent' }]],
    [undefined, '"1", W/"2", "x"', [{ type: 'not-version', noneOf: [1, 2] }]],
    ['"1"', '*', [{ type: 'version', anyOf: [1] }, { type: 'absent' }]],
  ])('of a write: If-Match %s, If-None-Match %s', (match, noneMatch, conditions) => {
    expect(conditionsOf(of(match, noneMatch))).toEqual(conditions);
  });

  it.each([
    ['"7"', undefined, 'go-on'],
    ['"6", "7"', undefined, 'go-on'],
    ['*', undefined, 'go-on'],
    ['"6"', undefined, 'failed'],
    ['W/"7"', undefined, 'failed'],
    [undefined, '"7"', 'not-modified'],
    [undefined, 'W/"7"', 'not-modified'],
    [undefined, '*', 'not-modified'],
    [undefined, '"6"', 'go-on'],
    ['"6"', '"7"', 'failed'],
    ['"7"', '"7"', 'not-modified'],
  ])('of a read of version 7: If-Match %s, If-None-Match %s: %s', (match, noneMatch, verdict) => {
    const preconditions = of(match, noneMatch);
    expect(preconditions === undefined ? 'go-on' : judgeRead(preconditions, 7)).toBe(verdict);
  });
});

describe('ranges', () => {
  it.each([
    ['bytes=0-1', 10, { first: 0, last: 1 }],
    ['bytes=5-', 10, { first: 5, last: 9 }],
    ['bytes=5-100', 10, { first: 5, last: 9 }],
    ['bytes=-3', 10, { first: 7, last: 9 }],
    ['bytes=-30', 10, { first: 0, last: 9 }],
    ['bytes= 0-0 , ', 10, { first: 0, last: 0 }],
    ['BYTES=9-9', 10, { first: 9, last: 9 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=0-0', 0, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=-1', 0, 'whole'],
    ['bytes=99999999999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=0-1,3-4', 10, undefined],
    ['lines=1-2', 10, undefined],
  ])('%s of %d bytes', (text, length, expected) => {
    const range = parseRange(text);
    expect(range === undefined ? undefined : spanOf(range, length)).toEqual(expected);
  });

  it.each([
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    '=0-1',
    'bytes=a-b',
    'bytes=-',
    'bytes=2-1',
    'bytes=0-1;x',
    'bytes=1',
    'bytes=--1',
    '0-1',
  ])('%j is refused', (text) => {
    expect(() => parseRange(text)).toThrow(malformed('Range'));
  });

  it('a span is always within the value', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), (a, b, length) => {
        const range = parseRange(`bytes=${Math.min(a, b)}-${Math.max(a, b)}`);
        const span = range === undefined ? 'whole' : spanOf(range, length);
        if (typeof span === 'string') expect(Math.min(a, b)).toBeGreaterThanOrEqual(length);
        else expect(0 <= span.first && span.first <= span.last && span.last < length).toBe(true);
      }),
    );
  });

  it.each([
    ['"7"', true],
    ['W/"7"', false],
    ['"6"', false],
    ['Wed, 21 Oct 2015 07:28:00 GMT', false],
    ['Sunday, 06-Nov-94 08:49:37 GMT', false],
    ['Sun Nov  6 08:49:37 1994', false],
  ])('If-Range %s of version 7: %s', (text, holds) => {
    expect(ifRangeHolds(text, 7)).toBe(holds);
  });

  it.each(['*', '"1", "2"', 'yesterday', '', 'Wed, 99 Oct'])('If-Range %j is refused', (text) => {
    expect(() => ifRangeHolds(text, 7)).toThrow(malformed('If-Range'));
  });
});

describe('Accept', () => {
  it.each([
    [undefined, 'text/plain', false],
    ['*/*', 'text/plain', false],
    ['application/json', 'text/plain', true],
    ['APPLICATION/JSON', 'text/plain', true],
    ['application/json', 'application/json', false],
    ['application/json', 'application/json; charset=utf-8', false],
    ['application/json, */*', 'text/plain', false],
    ['application/json, */*;q=0.9', 'text/plain', true],
    ['application/json, text/plain', 'text/plain', false],
    ['application/json;q=0.5, text/*;q=0.4', 'text/plain', true],
    ['application/json;q=0.5, text/*;q=0.4', 'image/png', true],
    ['application/json;q=0.3, text/*;q=0.4', 'text/plain', false],
    ['application/json;q=0', 'text/plain', false],
    ['application/*', 'text/plain', false],
    ['text/html, image/gif, *; q=.2, */*; q=.2', 'text/plain', false],
    [',, application/json ,,', 'text/plain', true],
    ['', 'text/plain', false],
    ['application/json;profile="a,b;q=0";q=1', 'text/plain', false],
  ])('%s, with %s stored: JSON is %s', (accept, stored, expected) => {
    expect(prefers(accept, 'application/json', stored)).toBe(expected);
  });

  it('the most specific range decides', () => {
    const ranges = parseAccept('text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, */*;q=0.5');
    expect(qualityFor(ranges, 'text/plain;format=flowed')).toBe(1);
    expect(qualityFor(ranges, 'text/plain')).toBe(0.7);
    expect(qualityFor(ranges, 'text/html')).toBe(0.3);
    expect(qualityFor(ranges, 'image/jpeg')).toBe(0.5);
  });

  it.each([
    'application',
    'application/',
    '/json',
    'a/b/c',
    'a/b c/d',
    'a/b;q=2',
    'a/b;q=x',
    'a/b;q=0.1234',
    'a/b;x="',
    '"a/b"',
  ])('%j is refused', (text) => {
    expect(() => parseAccept(text)).toThrow(malformed('Accept'));
  });

  it(`more than ${MEDIA_RANGES_MAX} media ranges are refused`, () => {
    const text = Array.from({ length: MEDIA_RANGES_MAX + 1 }, () => 'a/b').join();
    expect(() => parseAccept(text)).toThrow(malformed('Accept'));
  });
});

describe('Prefer', () => {
  it.each([
    [undefined, false],
    ['return=minimal', true],
    ['Return=Minimal', true],
    ['return="minimal"', true],
    ['respond-async, wait=10, return=minimal; foo="a,b"', true],
    ['return=representation', false],
    ['return=representation, return=minimal', false],
    ['minimal', false],
    ['', false],
  ])('%s: %s', (text, expected) => {
    expect(prefersMinimal(text)).toBe(expected);
  });

  it.each(['=minimal', 'return=minimal foo', 'return=min imal', 'return="minimal', 'return=;;;=', '(x)'])(
    '%j is refused',
    (text) => {
      expect(() => prefersMinimal(text)).toThrow(malformed('Prefer'));
    },
  );
});

describe('Idempotency-Key', () => {
  it.each(['', 'a\tb', 'ü', 'x'.repeat(IDEMPOTENCY_KEY_CHARS_MAX + 1)])('%j is refused', (text) => {
    expect(() => parseIdempotencyKey(text)).toThrow(malformed('Idempotency-Key'));
  });

  it.each(['a', '"8e03978e-40d5-43dd-bc93-6894a57f9324"', ' !~', 'x'.repeat(IDEMPOTENCY_KEY_CHARS_MAX)])(
    '%j is taken as it is',
    (text) => {
      expect(parseIdempotencyKey(text)).toBe(text);
    },
  );

  it('id and fingerprint say who asks what', () => {
    const put = (value: string) =>
      ({
        type: 'put',
        key: Buffer.from('k'),
        value: Buffer.from(value),
        contentType: undefined,
        expiry: { type: 'in', ms: 5 },
        conditions: [],
        returnOld: false,
      }) as const;
    const request = requestOf('a', 'c1', put('1'));
    expect(request.id).toMatch(/^[0-9a-f]{32}$/);
    expect(requestOf('a', 'c1', put('1'))).toEqual(request);
    expect(requestOf('b', 'c1', put('1')).id).not.toBe(request.id);
    expect(requestOf('a', 'c2', put('1')).id).not.toBe(request.id);
    expect(requestOf('a', 'c1', put('1'), 1).id).not.toBe(request.id);
    expect(requestOf('a', 'c1', put('2')).id).toBe(request.id);
    expect(requestOf('a', 'c1', put('2')).fingerprint).not.toEqual(request.fingerprint);
  });
});
