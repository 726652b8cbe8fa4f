/**
 * Unsigned 64-bit integers as two 32-bit halves: the values are sequence numbers and milliseconds, all below 2^53,
 * and BigInt would cost more than the rest of the record.
 */
import { invariant, numberOfWords } from '@diststore/base';

const HIGH = 0x1_0000_0000;

/** REQUIRES: `value` is a whole number from 0 to 2^53 - 1. */
export function writeU64(target: Buffer, value: number, offset: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0, 'a stored number is a safe integer', { value });
  target.writeUInt32BE(Math.floor(value / HIGH), offset);
  target.writeUInt32BE(value % HIGH, offset + 4);
}

/** More than 2^53 - 1 only when the bytes are damaged; the caller's checksum has excluded that. */
export function readU64(source: Buffer, offset: number): number {
  return numberOfWords(source.readUInt32BE(offset), source.readUInt32BE(offset + 4));
}
