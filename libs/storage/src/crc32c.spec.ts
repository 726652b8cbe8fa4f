import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { crc32c, crc32cOfNext, unmask } from './crc32c.js';

const ISCSI_READ = Buffer.from(
  '01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000'
    .split(' ')
    .join(''),
  'hex',
);

/** The definition: one bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  // RFC 3720 appendix B.4 prints the bytes of each checksum in wire order, the lowest first.
  it.each([
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 rising bytes', Buffer.from(Array.from({ length: 32 }, (_unused, i) => i)), 0x46dd794e],
    ['32 falling bytes', Buffer.from(Array.from({ length: 32 }, (_unused, i) => 31 - i)), 0x113fdb5c],
    ['an iSCSI read command', ISCSI_READ, 0xd9963a56],
    ['"123456789"', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ])('of %s is that of RFC 3720', (_what, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is that of the definition for any length and alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(8), (bytes, from) => {
        expect(crc32c(bytes.subarray(from))).toBe(bitwise(bytes.subarray(from)));
      }),
    );
  });

  it('goes on from the checksum of what stands before', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, at) => {
        expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(crc32c(bytes));
        expect(bytes.reduce((crc, byte) => crc32cOfNext(byte, crc), 0)).toBe(crc32c(bytes));
      }),
    );
  });
});

describe('unmask', () => {
  it('undoes the rotation and the constant of util/crc32c.h', () => {
    const mask = (crc: number): number => ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) >>> 0;
    fc.assert(fc.property(fc.nat(0xffffffff), (crc) => unmask(mask(crc)) === crc));
  });
});
