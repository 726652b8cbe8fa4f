/**
 * Words of the protocol are ASCII and case-insensitive. They are compared on the received bytes, so that looking up
 * a command or an option allocates nothing.
 */

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
