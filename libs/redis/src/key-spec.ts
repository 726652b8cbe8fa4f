/**
 * Where a command's keys stand among its arguments, in Redis's terms: a key specification says where to begin (at a
 * fixed index or behind a keyword) and how to go on (a range, or a count that stands among the arguments). The table
 * describes keys once; COMMAND INFO's first/last/step, COMMAND GETKEYS and routing are all computed from it.
 *
 * Source: https://redis.io/docs/reference/key-specs/
 */
import { parseInt64 } from '@diststore/base';

import { equalsIgnoringCase } from './ascii.js';

export type KeyFlag =
  | 'RO' // reads the value
  | 'RW' // reads and changes it
  | 'OW' // overwrites it
  | 'RM' // removes it
  | 'access'
  | 'update'
  | 'insert'
  | 'delete'
  | 'not_key'
  | 'incomplete'
  | 'variable_flags';

export interface KeySpec {
  readonly flags: readonly KeyFlag[];
  readonly notes?: string;
  /** Of `variable_flags`: what this very request does with the key. */
  readonly flagsOf?: (args: readonly Buffer[]) => readonly KeyFlag[];
  readonly begin:
    | { readonly type: 'index'; readonly index: number }
    /** Just behind `keyword`, searched from `startFrom`; from the end, backwards, when that is negative. */
    | { readonly type: 'keyword'; readonly keyword: string; readonly startFrom: number };
  readonly find:
    /**
     * `lastKey` counts from the begin, or from the last argument when negative (-1 is the last argument). With a
     * limit of n > 1 and lastKey -1, only the first n-th of the remaining arguments are keys.
     */
    | { readonly type: 'range'; readonly lastKey: number; readonly keyStep: number; readonly limit: number }
    /** All relative to the begin: where the number of keys stands, and where the first key. */
    | {
        readonly type: 'keynum';
        readonly keyNumIndex: number;
        readonly firstKey: number;
        readonly keyStep: number;
      };
}

/** One key at a fixed index. The command's name has index 0. */
export function keyAt(index: number, ...flags: KeyFlag[]): KeySpec {
  return keysFrom(index, { lastKey: 0, keyStep: 1 }, ...flags);
}

/** Keys from a fixed index on. */
export function keysFrom(
  index: number,
  range: { lastKey: number; keyStep: number },
  ...flags: KeyFlag[]
): KeySpec {
  return { flags, begin: { type: 'index', index }, find: { type: 'range', ...range, limit: 0 } };
}

/** The range in which COMMAND INFO tells old clients where the keys are; all zero when there are none. */
export interface KeyRange {
  readonly first: number;
  /** Negative: counted from the last argument, which is -1. */
  readonly last: number;
  readonly step: number;
}

export const NO_KEYS: KeyRange = { first: 0, last: 0, step: 0 };

/** The one range that covers all index ranges; specs that such a range cannot express are left out of it. */
export function keyRangeOf(specs: readonly KeySpec[]): KeyRange {
  let range = NO_KEYS;
  for (const { begin, find } of specs) {
    if (begin.type !== 'index' || find.type !== 'range') continue;
    const last = find.lastKey < 0 ? find.lastKey : begin.index + find.lastKey;
    const continues =
      range.last > 0 && begin.index === range.last + range.step && find.keyStep === range.step;
    if (range.first === 0) range = { first: begin.index, last, step: find.keyStep };
    else if (continues) range = { ...range, last };
  }
  return range;
}

/** Whether clients must ask COMMAND GETKEYS, because the key range does not tell everything. */
export function hasMovableKeys(specs: readonly KeySpec[]): boolean {
  return specs.some(
    ({ begin, find, flags }) =>
      begin.type !== 'index' || find.type !== 'range' || flags.includes('incomplete'),
  );
}

export interface KeyPosition {
  readonly index: number;
  readonly flags: readonly KeyFlag[];
}

/**
 * The indexes of the keys in `args`, in order of the specs. Undefined when the arguments contradict the specs: a count
 * of keys that is no number or larger than what follows. A missing keyword means no keys there.
 */
export function keyPositions(specs: readonly KeySpec[], args: readonly Buffer[]): KeyPosition[] | undefined {
  const positions: KeyPosition[] = [];
  for (const spec of specs) {
    const begin = beginOf(spec, args);
    if (begin === undefined) continue;
    const range = rangeOf(spec, begin, args);
    if (range === undefined || range.last >= args.length) return undefined;
    for (let index = range.first; index <= range.last; index += range.step) {
      positions.push({ index, flags: spec.flagsOf?.(args) ?? spec.flags });
    }
  }
  return positions;
}

function beginOf({ begin }: KeySpec, args: readonly Buffer[]): number | undefined {
  if (begin.type === 'index') return begin.index;
  const keyword = begin.keyword.toLowerCase();
  const backwards = begin.startFrom < 0;
  const from = backwards ? args.length + begin.startFrom : begin.startFrom;
  for (let i = from; backwards ? i > 0 : i < args.length - 1; i += backwards ? -1 : 1) {
    const arg = args[i];
    if (arg !== undefined && equalsIgnoringCase(arg, keyword)) return i + 1;
  }
  return undefined;
}

function rangeOf({ find }: KeySpec, begin: number, args: readonly Buffer[]): KeyRange | undefined {
  if (find.type === 'range') {
    let last = begin + find.lastKey;
    if (find.lastKey < 0) {
      last =
        find.limit > 1 && find.lastKey === -1
          ? begin + Math.floor((args.length - begin) / find.limit) - 1
          : args.length + find.lastKey;
    }
    return { first: begin, last, step: find.keyStep };
  }
  const countArg = args[begin + find.keyNumIndex];
  const count = countArg === undefined ? undefined : parseInt64(countArg);
  if (typeof count !== 'number' || count < 0) return undefined;
  const first = begin + find.firstKey;
  return { first, last: first + (count - 1) * find.keyStep, step: find.keyStep };
}
