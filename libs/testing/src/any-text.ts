import fc from 'fast-check';
import type { Arbitrary, StringConstraints } from 'fast-check';

const CODE_POINT_MAX = 0x10_ffff;
/** Halves of pairs in UTF-16, and no characters. */
const SURROGATES = { first: 0xd800, count: 0x800 };

const character = fc.integer({ min: 0, max: CODE_POINT_MAX - SURROGATES.count }).map(toCharacter, toNumber);

/**
 * Text of any characters, as `fc.string({ unit: 'binary' })` gives it too. That makes a table of all 1.1 million of
 * them first, which takes most of a second in every test file.
 */
export function anyText(constraints: Omit<StringConstraints, 'unit'> = {}): Arbitrary<string> {
  return fc.string({ ...constraints, unit: character });
}

function toCharacter(number: number): string {
  return String.fromCodePoint(number < SURROGATES.first ? number : number + SURROGATES.count);
}

/** @throws Error for anything else than a character: fast-check asks whether it is one. */
function toNumber(text: unknown): number {
  const point = typeof text === 'string' ? (text.codePointAt(0) ?? -1) : -1;
  const number = point < SURROGATES.first ? point : point - SURROGATES.count;
  if (number < 0 || toCharacter(number) !== text) throw new Error('not one character');
  return number;
}
