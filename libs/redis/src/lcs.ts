/**
 * The longest common subsequence of two values: LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN].
 *
 * A table of lengths, a row for each byte of `a` and a column for each byte of `b`, then one way back through it. Where
 * several subsequences are longest, ties go as in Redis, so that positions are the same.
 *
 * Source: https://redis.io/docs/latest/commands/lcs/
 */
import { parseInt64 } from '@diststore/base';

import { equalsIgnoringCase } from './ascii.js';
import { LCS_CELLS_MAX } from './limits.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { INTEGER_ERROR, SYNTAX_ERROR } from './redis-errors.js';
import { errorReply } from './reply.js';

export interface LcsOptions {
  readonly gives: 'string' | 'length' | 'matches';
  readonly matchLengthMin: number;
  readonly withMatchLength: boolean;
}

const LEN_AND_IDX_ERROR = errorReply('ERR If you want both the length and indexes, please just use IDX.');

/** REQUIRES: `args` is a whole LCS command. */
export function parseLcsOptions(args: readonly Buffer[]): Parsed<LcsOptions> {
  let gives: LcsOptions['gives'] = 'string';
  let matchLengthMin = 0;
  let withMatchLength = false;
  let [len, idx] = [false, false];
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const operand = args[i + 1];
    if (equalsIgnoringCase(option, 'idx')) idx = true;
    else if (equalsIgnoringCase(option, 'len')) len = true;
    else if (equalsIgnoringCase(option, 'withmatchlen')) withMatchLength = true;
    else if (equalsIgnoringCase(option, 'minmatchlen') && operand !== undefined) {
      const stated = parseInt64(operand);
      if (stated === undefined) return refused(INTEGER_ERROR);
      matchLengthMin = Math.max(0, Number(stated));
      i++;
    } else {
      return refused(SYNTAX_ERROR);
    }
  }
  if (len && idx) return refused(LEN_AND_IDX_ERROR);
  if (len) gives = 'length';
  if (idx) gives = 'matches';
  return parsed({ gives, matchLengthMin, withMatchLength });
}

/** Bytes that both have in a row: from `a` on in the first, from `b` on in the second. */
export interface CommonRun {
  readonly a: number;
  readonly b: number;
  readonly length: number;
}

export interface CommonSubsequence {
  readonly length: number;
  readonly bytes: Buffer;
  /** From the end to the begin. */
  readonly runs: readonly CommonRun[];
}

/** Undefined when the table would have more than LCS_CELLS_MAX cells: it is computed in one go. */
export function longestCommonSubsequence(a: Buffer, b: Buffer): CommonSubsequence | undefined {
  const width = b.length + 1;
  if ((a.length + 1) * width > LCS_CELLS_MAX) return undefined;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const row = i * width;
    for (let j = 1; j <= b.length; j++) {
      const above = lengths[row - width + j] as number;
      const left = lengths[row + j - 1] as number;
      lengths[row + j] =
        a[i - 1] === b[j - 1] ? (lengths[row - width + j - 1] as number) + 1 : Math.max(above, left);
    }
  }
  const length = lengths[a.length * width + b.length] as number;
  const bytes = Buffer.alloc(length);
  const runs: CommonRun[] = [];
  let left = length;
  let runLength = 0;
  let [i, j] = [a.length, b.length];
  const endRun = (): void => {
    if (runLength > 0) runs.push({ a: i, b: j, length: runLength });
    runLength = 0;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      i--;
      j--;
      left--;
      runLength++;
      bytes[left] = a[i] as number;
    } else {
      endRun();
      const above = lengths[(i - 1) * width + j] as number;
      if (above > (lengths[i * width + j - 1] as number)) i--;
      else j--;
    }
  }
  endRun();
  return { length, bytes, runs };
}
