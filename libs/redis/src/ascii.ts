/**
 * Words of the protocol are ASCII and case-insensitive. They are compared on the received bytes, so that looking up
 * a command or an option allocates nothing. Also the bytes that the protocol gives a meaning.
 */

export const CR = 0x0d;
export const LF = 0x0a;
export const MINUS = 0x2d;
export const DIGIT_0 = 0x30;
export const SPACE = 0x20;
export const TAB = 0x09;
export const DOLLAR = 0x24;
export const ASTERISK = 0x2a;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
export const DOUBLE_QUOTE = 0x22;
export const SINGLE_QUOTE = 0x27;

const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const CASE_BIT = 0x20;

/** The byte, with `A` to `Z` turned into `a` to `z` and every other byte unchanged. */
export function foldAsciiCase(byte: number): number {
  return byte >= UPPER_A && byte <= UPPER_Z ? byte | CASE_BIT : byte;
}

/** REQUIRES: `lowerCaseWord` is ASCII without capitals. */
export function equalsIgnoringCase(bytes: Uint8Array, lowerCaseWord: string): boolean {
  const length = lowerCaseWord.length;
  if (bytes.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (foldAsciiCase(bytes[i] as number) !== lowerCaseWord.charCodeAt(i)) return false;
  }
  return true;
}
