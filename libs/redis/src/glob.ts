/**
 * Glob patterns of KEYS, SCAN MATCH and their like, on bytes:
 *
 *   *  any bytes, none included      ?  any byte      [abc] [a-z] [^a]  one byte (not) of these      \x  x itself
 *
 * Within brackets, `\x` stands for x, a range may be written backwards, and a missing `]` is taken as given at the end
 * of the pattern, as in Redis. A trailing backslash stands for itself.
 *
 * Time. Compiled once, matched many times. Matching never recurses: when the text behind a star does not fit, that star
 * takes one byte more and only the latest star is ever reconsidered, which suffices, because what an earlier one could
 * still take the later one can take instead. So a match costs at most text bytes × pattern elements, and none at all
 * when the text is shorter than the elements that need a byte.
 */
import { BACKSLASH, foldAsciiCase } from './ascii.js';
import { GLOB_PATTERN_BYTES_MAX } from './limits.js';

const STAR = 0x2a;
const QUESTION = 0x3f;
const BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;

/** One element: a byte value, or one of these two, or CLASS + the index of a set of bytes. */
const ANY_BYTES = 256;
const ANY_BYTE = 257;
const CLASS = 258;

/** 256 flags, one for each byte value. */
type ByteSet = Uint8Array;

export class Glob {
  /** How many bytes the elements other than stars take: each takes one. */
  private readonly bytesMin: number;

  private constructor(
    private readonly elements: readonly number[],
    private readonly classes: readonly ByteSet[],
    private readonly ignoreCase: boolean,
  ) {
    this.bytesMin = elements.filter((element) => element !== ANY_BYTES).length;
  }

  /** Undefined when the pattern is longer than GLOB_PATTERN_BYTES_MAX. Every other pattern means something. */
  static compile(pattern: Uint8Array, options: { ignoreCase?: boolean } = {}): Glob | undefined {
    if (pattern.length > GLOB_PATTERN_BYTES_MAX) return undefined;
    const ignoreCase = options.ignoreCase ?? false;
    const elements: number[] = [];
    const classes: ByteSet[] = [];
    let at = 0;
    while (at < pattern.length) {
      const byte = pattern[at] as number;
      if (byte === STAR) {
        if (elements.at(-1) !== ANY_BYTES) elements.push(ANY_BYTES);
        at++;
      } else if (byte === QUESTION) {
        elements.push(ANY_BYTE);
        at++;
      } else if (byte === BRACKET) {
        const { members, end } = readClass(pattern, at + 1, ignoreCase);
        elements.push(CLASS + classes.length);
        classes.push(members);
        at = end;
      } else {
        const escaped = byte === BACKSLASH && at + 1 < pattern.length;
        const literal = escaped ? (pattern[at + 1] as number) : byte;
        elements.push(ignoreCase ? foldAsciiCase(literal) : literal);
        at += escaped ? 2 : 1;
      }
    }
    return new Glob(elements, classes, ignoreCase);
  }

  /** Bytes that every match begins with, for scanning a range of keys only. Empty when the case is ignored. */
  get literalPrefix(): Buffer {
    if (this.ignoreCase) return Buffer.alloc(0);
    const end = this.elements.findIndex((element) => element >= ANY_BYTES);
    return Buffer.from(end < 0 ? this.elements : this.elements.slice(0, end));
  }

  /** Whether everything matches, as with `*`. */
  get matchesAll(): boolean {
    return this.elements.length === 1 && this.elements[0] === ANY_BYTES;
  }

  /** Whether the whole of `text` matches. */
  matches(text: Uint8Array): boolean {
    const { elements } = this;
    if (text.length < this.bytesMin) return false;
    let at = 0;
    let element = 0;
    // Where to try again: behind the latest star, which takes the text up to retryAt.
    let retryElement = -1;
    let retryAt = 0;
    while (at < text.length) {
      const expected = elements[element];
      if (expected === ANY_BYTES) {
        element++;
        if (element === elements.length) return true;
        retryElement = element;
        retryAt = at;
      } else if (expected !== undefined && this.fits(expected, text[at] as number)) {
        element++;
        at++;
      } else if (retryElement >= 0) {
        retryAt++;
        at = retryAt;
        element = retryElement;
      } else {
        return false;
      }
    }
    while (elements[element] === ANY_BYTES) element++;
    return element === elements.length;
  }

  private fits(element: number, byte: number): boolean {
    if (element === ANY_BYTE) return true;
    const folded = this.ignoreCase ? foldAsciiCase(byte) : byte;
    if (element < ANY_BYTES) return element === folded;
    return (this.classes[element - CLASS] as ByteSet)[folded] === 1;
  }
}

/** Reads the inside of brackets from `start`; `end` is behind the closing one. */
function readClass(
  pattern: Uint8Array,
  start: number,
  ignoreCase: boolean,
): { members: ByteSet; end: number } {
  const members = new Uint8Array(256);
  const negated = pattern[start] === CARET;
  let at = negated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== CLOSING_BRACKET) {
    const byte = pattern[at] as number;
    let low = byte;
    let high = byte;
    if (byte === BACKSLASH && at + 1 < pattern.length) {
      low = high = pattern[at + 1] as number;
      at += 2;
    } else if (pattern[at + 1] === DASH && at + 2 < pattern.length) {
      const other = pattern[at + 2] as number;
      low = Math.min(byte, other);
      high = Math.max(byte, other);
      at += 3;
    } else {
      at++;
    }
    for (let member = low; member <= high; member++) members[ignoreCase ? foldAsciiCase(member) : member] = 1;
  }
  if (negated)
    for (let member = 0; member < members.length; member++) members[member] = 1 - (members[member] as number);
  return { members, end: Math.min(at + 1, pattern.length) };
}
