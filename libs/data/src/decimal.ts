/**
 * The arithmetic of INCRBYFLOAT. Redis computes with C's `long double` and prints 17 decimals without trailing zeros,
 * so that 0.1 + 0.2 shows as 0.3. JavaScript's doubles would print 0.30000000000000004; here the sum is computed
 * exactly, in decimal, and rounded half-even to those 17 decimals.
 *
 * So the results are Redis's without its rounding noise, which shows there as soon as the digits before the point and
 * 17 behind it are more than the 19 that an x86 long double has: 81764 - 53133.8078 is 28630.1922 here, and
 * 28630.1921999999999997 in Redis. Hexadecimal numbers, which C accepts, are refused.
 */
import { DECIMAL_TEXT_BYTES_MAX } from './limits.js';

export type DecimalSum =
  | { readonly type: 'sum'; readonly text: string }
  | { readonly type: 'failed'; readonly reason: 'not-a-number' | 'not-finite' };

/** `digits` / 10^`scale`. */
interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

/** Decimals that are printed. */
const SCALE_MAX = 17;
/** A long double's range, in powers of ten: one beyond is no valid float, in Redis as here. */
const EXPONENT_MAX = 4931;
const EXPONENT_MIN = -4951;

const DECIMAL = /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?$/;
const INFINITE = /^[+-]?inf(inity)?$/i;

/**
 * The text of the sum of two decimal texts; "0" stands for a missing value. `not-a-number` when one of them is none;
 * `not-finite` when one is infinite, or the sum out of range.
 */
export function addDecimals(current: Buffer, increment: Buffer): DecimalSum {
  const a = parseDecimal(current);
  const b = parseDecimal(increment);
  if (a === undefined || b === undefined) return { type: 'failed', reason: 'not-a-number' };
  if (a === 'infinite' || b === 'infinite') return { type: 'failed', reason: 'not-finite' };
  const scale = Math.max(a.scale, b.scale);
  const digits = a.digits * powerOfTen(scale - a.scale) + b.digits * powerOfTen(scale - b.scale);
  const text = format({ digits, scale });
  return wholeDigits(text) > EXPONENT_MAX + 1 ? { type: 'failed', reason: 'not-finite' } : { type: 'sum', text };
}

/** Whether a text is a finite decimal number. */
export function isDecimal(text: Buffer): boolean {
  return typeof parseDecimal(text) === 'object';
}

function parseDecimal(bytes: Buffer): Decimal | 'infinite' | undefined {
  if (bytes.length > DECIMAL_TEXT_BYTES_MAX) return undefined;
  const text = bytes.toString('latin1');
  const match = DECIMAL.exec(text);
  if (match === null) return INFINITE.test(text) ? 'infinite' : undefined;
  const [, sign, whole = '', fraction = '', exponentText = '0'] = match;
  if (whole.length + fraction.length === 0) return undefined;
  const magnitude = BigInt(whole + fraction);
  if (magnitude === 0n) return { digits: 0n, scale: 0 };
  const exponent = Number(exponentText);
  const leading = magnitude.toString().length - 1 - fraction.length + exponent;
  if (leading > EXPONENT_MAX || leading < EXPONENT_MIN) return undefined;
  const digits = sign === '-' ? -magnitude : magnitude;
  const scale = fraction.length - exponent;
  return scale >= 0 ? { digits, scale } : { digits: digits * powerOfTen(-scale), scale: 0 };
}

function format({ digits, scale }: Decimal): string {
  const negative = digits < 0n;
  let magnitude = negative ? -digits : digits;
  let decimals = scale;
  if (scale > SCALE_MAX) {
    magnitude = divideHalfEven(magnitude, powerOfTen(scale - SCALE_MAX));
    decimals = SCALE_MAX;
  }
  if (magnitude === 0n) return '0';
  const text = magnitude.toString().padStart(decimals + 1, '0');
  const whole = text.slice(0, text.length - decimals);
  const fraction = text.slice(text.length - decimals).replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : '.'}${fraction}`;
}

function wholeDigits(text: string): number {
  const point = text.indexOf('.');
  return (point === -1 ? text.length : point) - (text.startsWith('-') ? 1 : 0);
}

function divideHalfEven(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  const roundsUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return roundsUp ? quotient + 1n : quotient;
}

/** REQUIRES: `exponent` is not negative, and bounded by the range above. */
function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}
