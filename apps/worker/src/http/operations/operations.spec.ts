/** Reading what clients send: JSON, operations and lines, within bounds. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { JSON_DEPTH_MAX, parseJson } from './json-reader.js';
import { LineSplitter } from './line-splitter.js';
import { operationFrom } from './operation-json.js';

describe('JSON', () => {
  const nested = (depth: number): Buffer => Buffer.from('['.repeat(depth) + ']'.repeat(depth));

  it(`nested ${JSON_DEPTH_MAX} deep is read, deeper is refused unread`, () => {
    expect(parseJson(nested(JSON_DEPTH_MAX), 'The body')).toBeInstanceOf(Array);
    for (const depth of [JSON_DEPTH_MAX + 1, 10_000, 1_000_000]) {
      expect(() => parseJson(nested(depth), 'The body')).toThrow('The body is nested deeper than 16 levels');
    }
  });

  it('brackets in texts do not count', () => {
    const text = JSON.stringify({ a: '['.repeat(100), b: '\\"[[[[[[[[[[[[[[[[[[[[[[' });
    expect(parseJson(Buffer.from(text), 'x')).toEqual(JSON.parse(text));
  });

  it('any JSON within the depth is read as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseJson(Buffer.from(text), 'x')).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(['', '{', 'nil', '{"a":1,}', '\u0000'])('%j is refused', (text) => {
    expect(() => parseJson(Buffer.from(text), 'The body')).toThrow(/^The body is not JSON/);
  });
});

describe('operations', () => {
  it.each([
    [
      { op: 'get', key: 'a' },
      { type: 'get', key: Buffer.from('a') },
    ],
    [
      { op: 'put', key64: '_w', value64: 'AA', contentType: 'a/b', ttl: 2, ifNoneMatch: '*' },
      {
        type: 'put',
        key: Buffer.from([255]),
        value: Buffer.from([0]),
        contentType: 'a/b',
        expiry: { type: 'in', ms: 2000 },
        conditions: [{ type: 'absent' }],
        returnOld: false,
      },
    ],
    [
      { op: 'incr', key: 'a', by: '-9223372036854775808' },
      { type: 'add', key: Buffer.from('a'), by: -(2n ** 63n), conditions: [] },
    ],
    [
      { op: 'delete', key: 'a', ifMatch: [1, 2] },
      {
        type: 'delete',
        key: Buffer.from('a'),
        conditions: [{ type: 'version', anyOf: [1, 2] }],
        returnOld: false,
      },
    ],
  ])('%j is read', (json, operation) => {
    expect(operationFrom(json, 'x')).toEqual(operation);
  });

  it.each([
    [null, 'x has no op of get'],
    ['get', 'x has no op of get'],
    [{}, 'x has no op of get'],
    [{ op: 'GET', key: 'a' }, 'x has no op of get'],
    [{ op: '__proto__', key: 'a' }, 'x has no op of get'],
    [{ op: 'get' }, 'x has neither key nor key64'],
    [{ op: 'get', key: 1 }, 'x.key is not a text'],
    [{ op: 'get', key: 'a', key64: 'YQ' }, 'x has both key and key64'],
    [{ op: 'get', key64: 'a' }, 'x.key64 is not base64url'],
    [{ op: 'get', key: 'a', value: 'x' }, 'x has an unknown field, "value"'],
    [{ op: 'put', key: 'a' }, 'x has neither value nor value64'],
    [{ op: 'put', key: 'a', value: '', ttl: 0 }, 'x.ttl is not a whole number from 1'],
    [{ op: 'put', key: 'a', value: '', ttl: 1, ttlMs: 1 }, 'x has both ttl and ttlMs'],
    [{ op: 'put', key: 'a', value: '', contentType: 'a\r\nb' }, 'x.contentType cannot be stored'],
    [{ op: 'put', key: 'a', value: '', ifMatch: [] }, 'x.ifMatch is neither "*", a version'],
    [{ op: 'put', key: 'a', value: '', ifMatch: '"1"' }, 'x.ifMatch is neither "*", a version'],
    [{ op: 'incr', key: 'a', by: 1.5 }, 'x.by is not a whole number of 64 bits'],
    [{ op: 'incr', key: 'a', by: '9223372036854775808' }, 'x.by is not a whole number of 64 bits'],
    [{ op: 'touch', key: 'a' }, 'x has neither ttl nor ttlMs'],
  ])('%j is refused', (json, why) => {
    expect(() => operationFrom(json, 'x')).toThrow(why);
  });
});

describe('lines', () => {
  const split = (pieces: readonly Buffer[], max: number): string[] => {
    const splitter = new LineSplitter(max);
    const lines = [...pieces.flatMap((piece) => [...splitter.push(piece)]), ...splitter.end()];
    return lines.map((line) => (line === 'too-long' ? line : line.toString('latin1')));
  };

  it('are the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, '.'))),
        fc.array(fc.nat(40)),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
          const pieces: Buffer[] = [];
          let rest = bytes;
          for (const cut of cuts) {
            pieces.push(rest.subarray(0, cut));
            rest = rest.subarray(cut);
          }
          pieces.push(rest);
          const expected = lines.map((line) => {
            const line1 = Buffer.from(line);
            return line1.length > 10 ? 'too-long' : line1.toString('latin1');
          });
          expect(split(pieces, 10)).toEqual(expected);
        },
      ),
    );
  });

  it('may end with CR LF, and the last with nothing', () => {
    expect(split([Buffer.from('a\r\n\r\nb')], 10)).toEqual(['a', '', 'b']);
    expect(split([Buffer.from('')], 10)).toEqual([]);
    expect(split([Buffer.from('a\n')], 10)).toEqual(['a']);
    expect(split([Buffer.from('x'.repeat(20))], 10)).toEqual(['too-long']);
  });
});
