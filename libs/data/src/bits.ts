/**
 * Bits of a value, numbered as Redis does: bit 0 is the highest bit of the first byte. A field's highest bit comes
 * first as well. What lies beyond the end of a value reads as zero.
 */
import type { BitOperation } from './operation.js';

export interface Field {
  readonly signed: boolean;
  /** 1 to 64. */
  readonly bits: number;
  /** In bits. */
  readonly offset: number;
}

/** How many bytes a value has at least that holds these bits. Offsets may be beyond 2^32. */
export function fieldEnd(offset: number, bits: number): number {
  return Math.floor((offset + bits - 1) / 8) + 1;
}

export function bitAt(value: Buffer, offset: number): 0 | 1 {
  const byte = value[Math.floor(offset / 8)] ?? 0;
  return ((byte >> (7 - (offset % 8))) & 1) as 0 | 1;
}

/** REQUIRES: the bit lies within `value`. */
export function withBit(value: Buffer, offset: number, bit: 0 | 1): void {
  const at = Math.floor(offset / 8);
  const mask = 1 << (7 - (offset % 8));
  const byte = value[at] ?? 0;
  value[at] = bit === 1 ? byte | mask : byte & ~mask;
}

export function numberAt(value: Buffer, { signed, bits, offset }: Field): bigint {
  const first = Math.floor(offset / 8);
  const end = fieldEnd(offset, bits);
  let window = 0n;
  for (let at = first; at < end; at += 1) window = (window << 8n) | BigInt(value[at] ?? 0);
  const number = window >> BigInt(end * 8 - offset - bits);
  return signed ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number);
}

/** REQUIRES: the field lies within `value`, and holds `number`. */
export function writeNumber(value: Buffer, { bits, offset }: Field, number: bigint): void {
  const first = Math.floor(offset / 8);
  const end = fieldEnd(offset, bits);
  const below = BigInt(end * 8 - offset - bits);
  const mask = ((1n << BigInt(bits)) - 1n) << below;
  let window = 0n;
  for (let at = first; at < end; at += 1) window = (window << 8n) | BigInt(value[at] ?? 0);
  window = (window & ~mask) | (BigInt.asUintN(bits, number) << below);
  for (let at = end - 1; at >= first; at -= 1) {
    value[at] = Number(window & 0xffn);
    window >>= 8n;
  }
}

/** As long as the longest; the shorter ones go on with zeros. REQUIRES: one source for `not`. */
export function combine(operator: BitOperation['operator'], sources: readonly Buffer[]): Buffer {
  const length = sources.reduce((longest, source) => Math.max(longest, source.length), 0);
  const combined = Buffer.alloc(length);
  sources[0]?.copy(combined);
  if (operator === 'not') {
    for (let i = 0; i < length; i += 1) combined[i] = ~(combined[i] ?? 0);
    return combined;
  }
  for (const source of sources.slice(1)) {
    const common = operator === 'and' ? length : source.length;
    for (let i = 0; i < common; i += 1) {
      const a = combined[i] ?? 0;
      const b = source[i] ?? 0;
      combined[i] = operator === 'and' ? a & b : operator === 'or' ? a | b : a ^ b;
    }
  }
  return combined;
}
