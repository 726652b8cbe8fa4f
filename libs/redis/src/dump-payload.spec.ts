/** Fixed payloads were made by redis-server 7.0.15. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { crc64 } from './crc64.js';
import { dumpPayload, restorePayload } from './dump-payload.js';

const LIMIT = 1024 * 1024;

/** Value, payload, and whether it is written like that: compressed ones are only read. */
const PAYLOADS: [string, string, boolean][] = [
  ['', '00000a005d9b5c400f7fa2da', true],
  ['0', '00c0000a009840a778f8500308', true],
  ['-128', '00c0800a009966326d2f0c5bd9', true],
  ['200', '00c1c8000a00ede8fd6b22128c07', true],
  ['-70000', '00c290eefeff0a002875de7b13eb2800', true],
  ['2147483648', '000a323134373438333634380a00e7b129a34c1d76ee', true],
  ['hello', '000568656c6c6f0a006372df766534200a', true],
  ['a'.repeat(40), '00c30928016161e01b000161610a00cf092faaae25831d', false],
  ['abcabcabc'.repeat(20), '00c30b40b40361626361e0a5020162630a002b5b6bac6c26c36d', false],
];

describe('CRC-64', () => {
  it('has the check value of its definition', () => {
    expect(
      Buffer.from(crc64(Buffer.from('123456789')))
        .reverse()
        .toString('hex'),
    ).toBe('e9c6d914c4b8d9ca');
  });
});

describe('a payload', () => {
  it('gives back what was put in', () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.integer().map((number) => Buffer.from(String(number))),
      fc.integer({ min: 1, max: 20_000 }).map((size) => Buffer.alloc(size, 'x')),
    );
    fc.assert(
      fc.property(value, (bytes) => {
        expect(restorePayload(dumpPayload(bytes), LIMIT)).toEqual({ kind: 'value', value: bytes });
      }),
    );
  });

  it.each(PAYLOADS)('of redis-server is read, and written alike: %s', (text, hex, isWrittenAlike) => {
    const value = Buffer.from(text);
    expect(restorePayload(Buffer.from(hex, 'hex'), LIMIT)).toEqual({ kind: 'value', value });
    expect(dumpPayload(value).toString('hex') === hex).toBe(isWrittenAlike);
  });

  it('that was altered or cut anywhere is refused', () => {
    const payload = dumpPayload(Buffer.from('some text'));
    for (let at = 0; at < payload.length; at++) {
      const altered = Buffer.from(payload);
      altered[at] = (altered[at] as number) ^ 0x40;
      expect(restorePayload(altered, LIMIT).kind).toBe('bad-checksum');
      expect(restorePayload(payload.subarray(0, at), LIMIT).kind).toBe('bad-checksum');
    }
  });

  it('of any bytes with a right checksum never throws, nor gives more than the limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const body = Buffer.concat([Buffer.from([0]), bytes, Buffer.from([10, 0])]);
        const restored = restorePayload(Buffer.concat([body, crc64(body)]), 1000);
        if (restored.kind === 'value') expect(restored.value.length).toBeLessThanOrEqual(1000);
        else expect(['bad-format', 'too-large']).toContain(restored.kind);
      }),
      { numRuns: 2000 },
    );
  });

  it('of another type, or of a later version, is refused', () => {
    const list = Buffer.from([1, 0, 10, 0]);
    expect(restorePayload(Buffer.concat([list, crc64(list)]), LIMIT).kind).toBe('bad-format');
    const later = Buffer.from([0, 0, 200, 0]);
    expect(restorePayload(Buffer.concat([later, crc64(later)]), LIMIT).kind).toBe('bad-checksum');
  });

  it('announces no more than the limit', () => {
    const body = Buffer.from([0, 0x80, 0x7f, 0xff, 0xff, 0xff, 10, 0]);
    expect(restorePayload(Buffer.concat([body, crc64(body)]), LIMIT).kind).toBe('too-large');
  });
});
