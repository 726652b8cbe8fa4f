/**
 * Counting and finding bits, and the arguments that say among which. Bit 0 is the highest of the first byte.
 *
 * Source: https://redis.io/docs/latest/commands/bitcount/ and https://redis.io/docs/latest/commands/bitpos/
 */
import type { Int64 } from '@diststore/base';
import { parseInt64 } from '@diststore/base';

import { equalsIgnoringCase } from './ascii.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { INTEGER_ERROR, SYNTAX_ERROR } from './redis-errors.js';
import { errorReply } from './reply.js';
import { rangeWithin } from './string-range.js';

export interface BitRange {
  readonly start: Int64;
  readonly end: Int64;
  readonly unit: 'byte' | 'bit';
  /** Whether the end was stated: an open one goes on with zeros when BITPOS looks for one. */
  readonly isClosed: boolean;
}

const WHOLE: BitRange = { start: 0, end: -1, unit: 'byte', isClosed: false };
const BIT_ARGUMENT_ERROR = errorReply('ERR The bit argument must be 1 or 0.');
const BITS_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/** BITCOUNT key [start end [BYTE | BIT]]. */
export function parseBitCount(args: readonly Buffer[]): Parsed<BitRange> {
  if (args.length === 2) return parsed(WHOLE);
  return args.length === 4 || args.length === 5 ? parseRange(args.slice(2)) : refused(SYNTAX_ERROR);
}

/** BITPOS key bit [start [end [BYTE | BIT]]]. */
export function parseBitPos(args: readonly Buffer[]): Parsed<BitRange & { readonly bit: 0 | 1 }> {
  const bit = parseInt64(args[2] as Buffer);
  if (bit === undefined) return refused(INTEGER_ERROR);
  if (bit !== 0 && bit !== 1) return refused(BIT_ARGUMENT_ERROR);
  if (args.length > 6) return refused(SYNTAX_ERROR);
  const range = args.length === 3 ? parsed(WHOLE) : parseRange(args.slice(3));
  return range.ok ? parsed({ ...range.value, bit }) : range;
}

function parseRange([startArg, endArg, unitArg]: readonly Buffer[]): Parsed<BitRange> {
  const start = parseInt64(startArg as Buffer);
  if (start === undefined) return refused(INTEGER_ERROR);
  if (endArg === undefined) return parsed({ ...WHOLE, start });
  let unit: BitRange['unit'] = 'byte';
  if (unitArg !== undefined) {
    if (equalsIgnoringCase(unitArg, 'bit')) unit = 'bit';
    else if (!equalsIgnoringCase(unitArg, 'byte')) return refused(SYNTAX_ERROR);
  }
  const end = parseInt64(endArg);
  return end === undefined ? refused(INTEGER_ERROR) : parsed({ start, end, unit, isClosed: true });
}

/** How many bits of the range are set. */
export function countBits(value: Buffer, range: BitRange): number {
  const bits = bitsOf(value, range);
  if (bits === undefined) return 0;
  const firstByte = bits.first >>> 3;
  const lastByte = bits.last >>> 3;
  let count = 0;
  for (let at = firstByte; at <= lastByte; at++) count += BITS_OF_BYTE[value[at] as number] as number;
  const before = (value[firstByte] as number) & ~(0xff >> (bits.first & 7));
  const behind = (value[lastByte] as number) & (0x7f >> (bits.last & 7));
  return count - (BITS_OF_BYTE[before & 0xff] as number) - (BITS_OF_BYTE[behind] as number);
}

/** Where the first such bit of the range is, from the value's begin; -1 when there is none. */
export function findBit(value: Buffer, bit: 0 | 1, range: BitRange): number {
  const bits = bitsOf(value, range);
  if (bits === undefined) return -1;
  // A byte of nothing but the other bit.
  const skipped = bit === 1 ? 0 : 0xff;
  for (let at = bits.first; at <= bits.last;) {
    const byte = value[at >>> 3] as number;
    if ((at & 7) === 0 && byte === skipped) {
      at += 8;
      continue;
    }
    if (((byte >> (7 - (at & 7))) & 1) === bit) return at;
    at++;
  }
  return bit === 0 && !range.isClosed ? value.length * 8 : -1;
}

/** The bits of the range. A value has less than 2^29 bytes, hence less than 2^32 bits: `>>>` is exact, `>>` is not. */
function bitsOf(value: Buffer, { start, end, unit }: BitRange): { first: number; last: number } | undefined {
  if (unit === 'bit') return rangeWithin(value.length * 8, start, end);
  const bytes = rangeWithin(value.length, start, end);
  return bytes === undefined ? undefined : { first: bytes.first * 8, last: bytes.last * 8 + 7 };
}
