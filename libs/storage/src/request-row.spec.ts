import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { requestKey } from './key-layout.js';
import { decodeFinished, encodeFinished } from './request-row.js';
import { openRow, sealRow } from './sealed-row.js';

const KEY = requestKey(7, '0f'.repeat(16));
const anyHalf = fc.nat(0xffff_ffff);

describe('the row of a finished request', () => {
  it('comes back as it was stored', () => {
    const any = fc.record({
      seq: fc.maxSafeNat(),
      fingerprint: fc.record({ hi: anyHalf, lo: anyHalf }),
      result: fc.uint8Array(),
    });
    fc.assert(
      fc.property(any, (row) => {
        const { result, ...rest } = decodeFinished(KEY, encodeFinished(KEY, row));
        expect(rest).toEqual({ seq: row.seq, fingerprint: row.fingerprint });
        expect(Buffer.compare(result, row.result)).toBe(0);
      }),
    );
  });

  it('has the layout of docs/storage-format.md', () => {
    const row = { seq: 5, fingerprint: { hi: 1, lo: 0xffff_fffe }, result: Buffer.from('ok') };
    expect(openRow(KEY, encodeFinished(KEY, row)).toString('hex')).toBe(
      ['0000000000000005', '00000001fffffffe', '6f6b'].join(''),
    );
  });

  it('is damaged when it is too short to be one, or stands under another id', () => {
    const corrupt = expect.objectContaining({ code: 'store-corrupt' });
    expect(() => decodeFinished(KEY, sealRow(KEY, Buffer.alloc(15)))).toThrow(corrupt);
    const row = encodeFinished(KEY, { seq: 5, fingerprint: { hi: 1, lo: 2 }, result: Buffer.alloc(0) });
    expect(() => decodeFinished(requestKey(7, '0e'.repeat(16)), row)).toThrow(corrupt);
  });
});
