import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { openRow, sealRow } from './sealed-row.js';

const KEY = Buffer.from('010007', 'hex');

describe('a sealed row', () => {
  it('comes back as it was sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (body) => {
        expect(openRow(KEY, sealRow(KEY, body)).equals(body)).toBe(true);
      }),
    );
  });

  it('has the layout of docs/storage-format.md', () => {
    // CRC-32 of 01 00 07 'body', computed with Python's zlib.
    expect(sealRow(KEY, Buffer.from('body')).toString('hex')).toBe('01' + '73d7dc74' + '626f6479');
  });

  it('is damaged when any byte of it is changed or missing, or it stands under another key', () => {
    const bytes = sealRow(KEY, Buffer.from('what it says'));
    const damaged = expect.objectContaining({
      code: expect.stringMatching(/^store-(corrupt|format)$/) as unknown,
    });
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      expect(() => openRow(KEY, changed)).toThrow(damaged);
      expect(() => openRow(KEY, bytes.subarray(0, at))).toThrow(damaged);
    }
    expect(() => openRow(Buffer.from('010008', 'hex'), bytes)).toThrow(damaged);
  });
});
