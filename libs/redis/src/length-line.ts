/**
 * Reads the lines that announce a length: one type byte, a decimal number, CR LF. The rules for the number are
 * Redis's: no plus sign, no leading zero, no space. Requests and replies share it.
 *
 * A class because a second result (`end`) must cost no allocation, and so that a line that arrives in many pieces is
 * looked at once. One instance reads one stream.
 */
import { CR, DIGIT_0, LF, MINUS } from './ascii.js';

/** The line has not arrived in full. */
export const INCOMPLETE = -2;
/** Not a number by the rules, or one beyond 2^53, or the CR is not followed by LF. */
export const MALFORMED = -3;
/** No CR within the limit. */
export const TOO_LONG = -4;

/** So many digits are always below 2^31, where V8 counts fastest. */
const FAST_DIGITS_MAX = 9;

export class LengthLine {
  /** After a number was read: the offset behind its CR LF. */
  end = 0;
  /** How much of an incomplete line is known to hold no CR. */
  private searchedBytes = 0;

  /**
   * The number in the line that begins at `start`, or -1 for any negative one, or one of the three constants above,
   * all of them negative. REQUIRES: start < end, and bytes[start] is the type byte.
   */
  read(bytes: Buffer, start: number, end: number, lineBytesMax: number): number {
    let at = start + 1;
    let value = 0;
    const fastEnd = Math.min(end, at + FAST_DIGITS_MAX);
    while (at < fastEnd) {
      const digit = (bytes[at] as number) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    if (at + 1 < end && bytes[at] === CR && bytes[at + 1] === LF) {
      const digits = at - start - 1;
      if (digits === 1 || (digits > 1 && bytes[start + 1] !== DIGIT_0)) {
        this.end = at + 2;
        this.searchedBytes = 0;
        return value;
      }
    }
    return this.readSlowly(bytes, start, end, lineBytesMax);
  }

  /** Everything unusual: incomplete, negative, long or wrong. */
  private readSlowly(bytes: Buffer, start: number, end: number, lineBytesMax: number): number {
    let lineEnd = start + Math.max(1, this.searchedBytes);
    const searchEnd = Math.min(end, start + lineBytesMax + 1);
    while (lineEnd < searchEnd && bytes[lineEnd] !== CR) lineEnd++;
    if (lineEnd - start <= lineBytesMax && lineEnd + 1 >= end) {
      this.searchedBytes = lineEnd - start;
      return INCOMPLETE;
    }
    this.searchedBytes = 0;
    if (lineEnd - start > lineBytesMax) return TOO_LONG;
    if (bytes[lineEnd + 1] !== LF) return MALFORMED;
    this.end = lineEnd + 2;
    const text = bytes.toString('latin1', start + 1, Math.min(lineEnd, start + 22));
    if (!/^(0|-?[1-9][0-9]{0,18})$/.test(text)) return MALFORMED;
    if (bytes[start + 1] === MINUS) return -1;
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : MALFORMED;
  }
}
