/**
 * Ranges of a value as GETRANGE, BITCOUNT and BITPOS state them: both ends included, negative ones counted from the
 * end, whatever lies outside cut off. Source: https://redis.io/docs/latest/commands/getrange/
 */
import type { Int64 } from '@diststore/base';

/** `first` to `last`, both included. */
export interface UnitRange {
  readonly first: number;
  readonly last: number;
}

/** The units of `length` that lie between `start` and `end`; undefined when there are none. */
export function rangeWithin(length: number, start: Int64, end: Int64): UnitRange | undefined {
  if (start < 0 && end < 0 && start > end) return undefined;
  const first = Math.max(0, fromEnd(length, start));
  const last = Math.min(length - 1, Math.max(0, fromEnd(length, end)));
  return first > last || length === 0 ? undefined : { first, last };
}

/** Inexact for a bigint, which lies outside of every value anyway. */
function fromEnd(length: number, position: Int64): number {
  const at = Number(position);
  return at < 0 ? length + at : at;
}
