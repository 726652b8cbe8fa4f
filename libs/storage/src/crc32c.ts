/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of LevelDB's files. Node's zlib has only the CRC-32 of
 * gzip, which diststore's own records use.
 *
 * Eight bytes per step through eight tables ("slicing by 8"), because whole tables are checked at the start of a
 * process: about 1 GiB/s where one byte per step makes a quarter of that.
 */
import { byteRemainders } from './crc-table.js';

const POLYNOMIAL_REVERSED = 0x82f63b78;
const MASK_DELTA = 0xa282ead8;

/** Table k (256 entries from 256 * k) holds the remainder of a byte that is followed by k zero bytes. */
const TABLES = new Uint32Array(8 * 256);
TABLES.set(byteRemainders(POLYNOMIAL_REVERSED));
for (let at = 256; at < TABLES.length; at += 1) {
  const previous = TABLES[at - 256] ?? 0;
  TABLES[at] = (previous >>> 8) ^ (TABLES[previous & 0xff] ?? 0);
}

/** @param previous the checksum of what stands before `bytes`, to go on from it. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const { length } = bytes;
  const words = new DataView(bytes.buffer, bytes.byteOffset, length);
  const t = TABLES;
  let crc = ~previous;
  let i = 0;
  // Every index is in range, so `?? 0` never applies; it costs less than a cast explains.
  for (; i + 8 <= length; i += 8) {
    const a = crc ^ words.getUint32(i, true);
    const b = words.getUint32(i + 4, true);
    crc =
      (t[0x700 + (a & 0xff)] ?? 0) ^
      (t[0x600 + ((a >>> 8) & 0xff)] ?? 0) ^
      (t[0x500 + ((a >>> 16) & 0xff)] ?? 0) ^
      (t[0x400 + (a >>> 24)] ?? 0) ^
      (t[0x300 + (b & 0xff)] ?? 0) ^
      (t[0x200 + ((b >>> 8) & 0xff)] ?? 0) ^
      (t[0x100 + ((b >>> 16) & 0xff)] ?? 0) ^
      (t[b >>> 24] ?? 0);
  }
  for (; i < length; i += 1) crc = (t[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The checksum of one byte more than `previous` is of. */
export function crc32cOfNext(byte: number, previous: number): number {
  const crc = ~previous;
  return ~((TABLES[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)) >>> 0;
}

/** LevelDB stores checksums masked, since a checksum over bytes that hold checksums is weak (util/crc32c.h). */
export function unmask(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
