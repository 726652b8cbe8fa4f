/**
 * Hash slots, computed exactly as Redis does, so that Redis Cluster clients find every key where we keep it.
 *
 * slot = CRC16(part of the key) mod 16384. The CRC is XMODEM's: polynomial 0x1021, initial value 0, nothing
 * reflected, no final xor; CRC16("123456789") = 0x31C3. The part of the key that counts is its hash tag, if it has
 * one: what stands between the first `{` and the first `}` after it, unless that is empty. Otherwise the whole key.
 * Keys with equal hash tags share a slot, which is what operations on several keys need.
 *
 * Source: the Redis Cluster specification, "Key distribution model", "Hash tags" and appendix A.
 */
export const SLOT_COUNT = 16_384;

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const CRC16_TABLE = crc16Table(0x1021);

/** The slot of a key: 0 to 16383. Allocates nothing. */
export function slotOf(key: Uint8Array): number {
  const open = key.indexOf(OPEN_BRACE);
  if (open !== -1) {
    const close = key.indexOf(CLOSE_BRACE, open + 1);
    if (close > open + 1) return crc16(key, open + 1, close) % SLOT_COUNT;
  }
  return crc16(key) % SLOT_COUNT;
}

/** CRC-16/XMODEM of `bytes` from `start` up to, but not including, `end`. */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    // Both indices are in range, so `?? 0` never applies; it costs less than a cast explains.
    crc = ((crc << 8) & 0xffff) ^ (CRC16_TABLE[(crc >> 8) ^ (bytes[i] ?? 0)] ?? 0);
  }
  return crc;
}

/** One entry per value of the byte that leaves the register: the remainder it leaves behind. */
function crc16Table(polynomial: number): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ polynomial : crc << 1;
    return crc;
  });
}
