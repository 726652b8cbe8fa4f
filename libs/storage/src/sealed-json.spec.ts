import { crc32 } from 'node:zlib';

import { describe, expect, it } from '@jest/globals';

import { openJson, sealJson } from './sealed-json.js';

const KEY = Buffer.from([8]);
const VALUE = { version: 7, names: ['ä', ''], none: null };

describe('sealed JSON', () => {
  it('comes back as it was stored', () => {
    for (const value of [VALUE, [], null, 0, 'text'])
      expect(openJson(KEY, sealJson(KEY, value))).toEqual(value);
  });

  it('has the layout of docs/storage-format.md, byte for byte', () => {
    const bytes = sealJson(KEY, VALUE);
    const json = Buffer.from(JSON.stringify(VALUE));
    expect(bytes[0]).toBe(1);
    expect(bytes.readUInt32BE(1)).toBe(crc32(Buffer.concat([KEY, json])));
    expect(bytes.subarray(5)).toEqual(json);
  });

  it('is refused when any byte of it is changed or missing', () => {
    const bytes = sealJson(KEY, VALUE);
    for (let at = 0; at < bytes.length; at += 1) {
      const refused = expect.objectContaining({ code: at === 0 ? 'store-format' : 'store-corrupt' });
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x01, at);
      expect(() => openJson(KEY, damaged)).toThrow(refused);
      expect(() => openJson(KEY, bytes.subarray(0, at))).toThrow(refused);
    }
  });

  it('is refused under another key', () => {
    expect(() => openJson(Buffer.from([9]), sealJson(KEY, VALUE))).toThrow(
      expect.objectContaining({ code: 'store-corrupt' }),
    );
  });
});
