/**
 * What happens when a number does not fit its bit field: BITFIELD's OVERFLOW. Computed exactly, where Redis computes
 * in 64 bits with care not to overflow itself; the outcomes are the same.
 */
import type { BitFieldStep } from './operation.js';

type Writing = Exclude<BitFieldStep, { type: 'get' }>;

/**
 * The sum as the field holds it; undefined where the overflow is to fail.
 * @param value what the field holds, or of a `set` what it shall hold.
 */
export function fitInto(step: Writing, value: bigint, by: bigint): bigint | undefined {
  const { signed, bits, overflow } = step;
  const most = signed ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
  const least = signed ? -most - 1n : 0n;
  // A negative operand of SET on an unsigned field is a large number, as in C.
  const from = signed ? value : BigInt.asUintN(64, value);
  const sum = from + by;
  if (sum >= least && sum <= most) return sum;
  switch (overflow) {
    case 'wrap':
      return signed ? BigInt.asIntN(bits, sum) : BigInt.asUintN(bits, sum);
    case 'saturate':
      return sum > most ? most : least;
    case 'fail':
      return undefined;
  }
}
