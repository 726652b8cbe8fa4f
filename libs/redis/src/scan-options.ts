/**
 * SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
 *
 * A cursor is decimal and below 2^53, since some clients keep it in a double; anything else is no cursor of ours.
 * Source: https://redis.io/docs/latest/commands/scan/
 */
import { parseInt64 } from '@diststore/base';

import { equalsIgnoringCase } from './ascii.js';
import { Glob } from './glob.js';
import { GLOB_PATTERN_BYTES_MAX, SCAN_COUNT_MAX } from './limits.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { CURSOR_ERROR, INTEGER_ERROR, SYNTAX_ERROR } from './redis-errors.js';
import { errorReply } from './reply.js';

export interface ScanOptions {
  readonly cursor: number;
  /** Undefined: every key. */
  readonly pattern: Glob | undefined;
  /** How many keys to look at, 1 to SCAN_COUNT_MAX; a larger COUNT is reduced to that. */
  readonly count: number;
  /** In lower case. Undefined: every type. A type that does not exist matches nothing. */
  readonly type: string | undefined;
}

/** Redis's default. */
const COUNT_DEFAULT = 10;
const PATTERN_TOO_LONG_ERROR = errorReply(`ERR pattern is longer than ${GLOB_PATTERN_BYTES_MAX} bytes`);

/** REQUIRES: `args` is a whole SCAN command, of two arguments at least. */
export function parseScanOptions(args: readonly Buffer[]): Parsed<ScanOptions> {
  const cursor = parseCursor(args[1] as Buffer);
  if (cursor === undefined) return refused(CURSOR_ERROR);
  let pattern: Glob | undefined;
  let count = COUNT_DEFAULT;
  let type: string | undefined;
  for (let i = 2; i < args.length; i += 2) {
    const option = args[i] as Buffer;
    const operand = args[i + 1];
    if (operand === undefined) return refused(SYNTAX_ERROR);
    if (equalsIgnoringCase(option, 'count')) {
      const stated = parseInt64(operand);
      if (stated === undefined) return refused(INTEGER_ERROR);
      if (stated < 1) return refused(SYNTAX_ERROR);
      count = stated > SCAN_COUNT_MAX ? SCAN_COUNT_MAX : Number(stated);
    } else if (equalsIgnoringCase(option, 'match')) {
      const compiled = parsePattern(operand);
      if (!compiled.ok) return compiled;
      pattern = compiled.value;
    } else if (equalsIgnoringCase(option, 'type')) {
      type = operand.toString('latin1').toLowerCase();
    } else {
      return refused(SYNTAX_ERROR);
    }
  }
  return parsed({ cursor, pattern, count, type });
}

/** The pattern of KEYS or MATCH; one longer than GLOB_PATTERN_BYTES_MAX is refused. */
export function parsePattern(arg: Buffer): Parsed<Glob> {
  const pattern = Glob.compile(arg);
  return pattern === undefined ? refused(PATTERN_TOO_LONG_ERROR) : parsed(pattern);
}

function parseCursor(arg: Buffer): number | undefined {
  if (arg.length > 20) return undefined;
  const text = arg.toString('latin1');
  const cursor = Number(text);
  return /^[0-9]+$/.test(text) && Number.isSafeInteger(cursor) ? cursor : undefined;
}
