/**
 * The number that two words of 32 bits make, the more significant one first.
 *
 * A product beyond 32 bits is a double to V8, however small: and from then on so is each field that ever held one, with
 * a box of its own in each object. Sequence numbers read from disk are small, and shall stay small integers.
 */
export function numberOfWords(high: number, low: number): number {
  return high === 0 ? low : high * 0x1_0000_0000 + low;
}
