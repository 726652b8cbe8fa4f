/**
 * Expiry times in commands, turned into Unix milliseconds. Each command family has its own rule for times that are not
 * in the future: options of SET and GETEX must be positive, EXPIRE deletes.
 *
 * As in Redis, times above 2^63 milliseconds are refused. Those between EXPIRY_MS_MAX and that are taken as EXPIRY_MS_MAX:
 * clients use them for "as good as never".
 */
import { INT64_MAX, INT64_MIN, parseInt64 } from '@diststore/base';

import { EXPIRY_MS_MAX } from './limits.js';
import { NameIndex } from './name-index.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { INTEGER_ERROR, invalidExpireError } from './redis-errors.js';

/** How a command states a time. */
export interface ExpiryForm {
  readonly unitMs: 1 | 1000;
  /** Since the Unix epoch rather than from now. */
  readonly absolute: boolean;
}

export const SECONDS: ExpiryForm = { unitMs: 1000, absolute: false };
export const MILLISECONDS: ExpiryForm = { unitMs: 1, absolute: false };
export const UNIX_SECONDS: ExpiryForm = { unitMs: 1000, absolute: true };
export const UNIX_MILLISECONDS: ExpiryForm = { unitMs: 1, absolute: true };

/** The options of SET and GETEX. */
export const EXPIRY_OPTIONS = new NameIndex<ExpiryForm>([
  ['ex', SECONDS],
  ['px', MILLISECONDS],
  ['exat', UNIX_SECONDS],
  ['pxat', UNIX_MILLISECONDS],
]);

export interface ExpiryContext {
  readonly form: ExpiryForm;
  /** Wall clock. */
  readonly nowMs: number;
  /** For the error text: `set`, `pexpire`. */
  readonly fullName: string;
}

/** The time that SET, SETEX, PSETEX or GETEX sets. It must be positive; an absolute one may be in the past. */
export function parseExpiry(arg: Buffer, context: ExpiryContext): Parsed<number> {
  const time = parseInt64(arg);
  if (time === undefined) return refused(INTEGER_ERROR);
  if (time <= 0) return refused(invalidExpireError(context.fullName));
  return toUnixMs(time, context);
}

/**
 * The time that EXPIRE and its like set. One that is not in the future deletes the key; the earliest answer is 1,
 * because records use 0 for "does not expire".
 */
export function parseDeadline(arg: Buffer, context: ExpiryContext): Parsed<number> {
  const time = parseInt64(arg);
  if (time === undefined) return refused(INTEGER_ERROR);
  if (BigInt(time) * BigInt(context.form.unitMs) < INT64_MIN)
    return refused(invalidExpireError(context.fullName));
  return toUnixMs(time, context);
}

function toUnixMs(time: number | bigint, { form, nowMs, fullName }: ExpiryContext): Parsed<number> {
  const baseMs = form.absolute ? 0 : nowMs;
  const unixMs = Number(time) * form.unitMs + baseMs;
  if (unixMs <= EXPIRY_MS_MAX) return parsed(Math.max(1, unixMs));
  // From here on a number is no longer exact.
  if (BigInt(time) * BigInt(form.unitMs) > INT64_MAX - BigInt(Math.floor(baseMs)))
    return refused(invalidExpireError(fullName));
  return parsed(EXPIRY_MS_MAX);
}
