import { crc32 } from 'node:zlib';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { CONTENT_TYPE_BYTES_MAX } from './limits.js';
import { decodeRecord, encodeRecord, type StoredRecord } from './record.js';

const KEY = Buffer.from('key');
const CORRUPT = expect.objectContaining({ code: 'record-corrupt' });

const record = (fields: Partial<StoredRecord> = {}): StoredRecord => ({
  version: 1,
  expireAtMs: 0,
  contentType: undefined,
  payload: Buffer.from('value'),
  ...fields,
});

describe('a record', () => {
  it('comes back as it was stored', () => {
    const any = fc.record({
      version: fc.maxSafeNat(),
      expireAtMs: fc.maxSafeNat(),
      contentType: fc.option(fc.string({ unit: 'grapheme-ascii', maxLength: CONTENT_TYPE_BYTES_MAX }), {
        nil: undefined,
      }),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    });
    const anyKey = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(anyKey, any, (key, stored) => {
        expect(decodeRecord(key, encodeRecord(key, stored))).toEqual(stored);
      }),
    );
  });

  it('has the layout of docs/storage-format.md, byte for byte', () => {
    const bytes = encodeRecord(KEY, {
      version: 0x01_0203_0405_0607,
      expireAtMs: 0x1a_2b3c_4d5e,
      contentType: 'text/plain',
      payload: Buffer.from('happy'),
    });
    expect(bytes.toString('hex')).toBe(
      [
        '01', // format
        '01', // flags
        '0001020304050607', // version
        '0000001a2b3c4d5e', // expiry
        bytes.toString('hex', 18, 22), // checksum, tested below
        '0a',
        Buffer.from('text/plain').toString('hex'),
        Buffer.from('happy').toString('hex'),
      ].join(''),
    );
  });

  it('has the checksum that gzip would give key, header and the rest', () => {
    const bytes = encodeRecord(Buffer.from('1234'), record({ payload: Buffer.alloc(0) }));
    // crc32("1234" 01 00 0000000000000001 0000000000000000), computed with Python's zlib.
    expect(bytes.readUInt32BE(18)).toBe(0xd7956f51);
  });

  it('has that checksum whatever the lengths', () => {
    const bytesOf = (length: number): Buffer =>
      Buffer.from(Array.from({ length }, (_none, i) => 255 - i * 7));
    for (let length = 1; length <= 140; length += 1) {
      const key = bytesOf(length);
      for (const payload of [bytesOf(0), bytesOf(length), bytesOf(141 - length)]) {
        const bytes = encodeRecord(key, record({ payload }));
        const covered = Buffer.concat([key, bytes.subarray(0, 18), bytes.subarray(22)]);
        expect(bytes.readUInt32BE(18)).toBe(crc32(covered));
      }
    }
  });

  it.each([
    ['no content type', record()],
    ['a content type', record({ contentType: 'text/plain' })],
    ['nothing but a header', record({ payload: Buffer.alloc(0) })],
  ])('with %s is corrupt when any byte of it is changed, and when any are missing', (_what, stored) => {
    const bytes = encodeRecord(KEY, stored);
    for (let at = 0; at < bytes.length; at += 1) {
      for (const flip of [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        expect(() => decodeRecord(KEY, damaged)).toThrow(CORRUPT);
      }
      expect(() => decodeRecord(KEY, bytes.subarray(0, at))).toThrow(CORRUPT);
      expect(() => decodeRecord(KEY, bytes.subarray(bytes.length - at))).toThrow(CORRUPT);
    }
    expect(() => decodeRecord(KEY, Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(CORRUPT);
  });

  it('is corrupt under any other key', () => {
    const bytes = encodeRecord(KEY, record());
    for (const other of ['', 'Key', 'ke', 'keyy', 'key\0']) {
      expect(() => decodeRecord(Buffer.from(other), bytes)).toThrow(CORRUPT);
    }
  });

  it('names its key, of any bytes and length, when it is corrupt', () => {
    const key = Buffer.alloc(1024, 0xff);
    expect(() => decodeRecord(key, Buffer.alloc(0))).toThrow(
      expect.objectContaining({ facts: { key64: key.toString('base64url') } }),
    );
  });

  it('does not keep the payload that it was made from', () => {
    const payload = Buffer.from('value');
    const bytes = encodeRecord(KEY, record({ payload }));
    payload.fill(0);
    expect(decodeRecord(KEY, bytes).payload.toString()).toBe('value');
  });

  it('refuses to be made with a content type that is too long, or a number that is no safe integer', () => {
    expect(() => encodeRecord(KEY, record({ contentType: 'x'.repeat(CONTENT_TYPE_BYTES_MAX + 1) }))).toThrow(
      'Invariant',
    );
    for (const version of [-1, 1.5, 2 ** 53, Number.NaN]) {
      expect(() => encodeRecord(KEY, record({ version }))).toThrow('Invariant');
      expect(() => encodeRecord(KEY, record({ expireAtMs: version }))).toThrow('Invariant');
    }
  });
});
