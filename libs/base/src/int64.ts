/**
 * 64-bit integers as Redis has them, for the values that are counted and the arguments that count. A value is a number while that is exact and a bigint only beyond 2^53, so that
 * counters, which are small, cost nothing extra.
 *
 * Invariant: an Int64 is a bigint exactly when it is not a safe integer. Every function here keeps that.
 */
export type Int64 = number | bigint;

export const INT64_MAX = 2n ** 63n - 1n;
export const INT64_MIN = -(2n ** 63n);

const MINUS = 0x2d;
const DIGIT_0 = 0x30;

/** So many digits are always a safe integer. */
const SAFE_DIGITS_MAX = 15;
/** The digits of INT64_MAX. */
const DIGITS_MAX = 19;

/** `value` in its one representation; undefined outside of 64 bits. */
export function toInt64(value: bigint): Int64 | undefined {
  if (value > INT64_MAX || value < INT64_MIN) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Reads an integer as strictly as Redis does: an optional minus and digits, without plus sign, space, leading zero or
 * `-0`. Undefined when it is none, or one outside of 64 bits.
 */
export function parseInt64(text: Uint8Array): Int64 | undefined {
  const negative = text[0] === MINUS;
  const start = negative ? 1 : 0;
  const digits = text.length - start;
  if (digits < 1 || digits > DIGITS_MAX) return undefined;
  if (text[start] === DIGIT_0) return text.length === 1 ? 0 : undefined;
  let value = 0;
  for (let i = start; i < text.length; i++) {
    const digit = (text[i] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= SAFE_DIGITS_MAX) return negative ? -value : value;
  return toInt64(BigInt(String.fromCharCode(...text)));
}

/** The sum, or undefined when it overflows. */
export function addInt64(a: Int64, b: Int64): Int64 | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toInt64(BigInt(a) + BigInt(b));
}
