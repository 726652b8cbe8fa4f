/**
 * SET key value [NX | XX | IFEQ value] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL], in any order. Options that
 * contradict each other are a syntax error; one that is repeated counts once, the last time.
 *
 * Source: https://redis.io/docs/latest/commands/set/, and https://valkey.io/commands/set/ for IFEQ.
 */
import { equalsIgnoringCase } from './ascii.js';
import { EXPIRY_OPTIONS, parseExpiry, type ExpiryForm } from './expiry.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { SYNTAX_ERROR } from './redis-errors.js';

export interface SetOptions {
  readonly condition: SetCondition;
  /** GET: answer the value before, whether or not the condition held. */
  readonly returnsOldValue: boolean;
  /** KEEPTTL: the key expires when it did before. */
  readonly keepsExpiry: boolean;
  /** Unix milliseconds, perhaps in the past. Undefined: the key does not expire, unless `keepsExpiry`. */
  readonly expiresAtMs: number | undefined;
  /** Whether the time was stated from now, with EX or PX. */
  readonly relative: boolean;
}

export type SetCondition =
  | { readonly kind: 'always' }
  /** NX */
  | { readonly kind: 'if-absent' }
  /** XX */
  | { readonly kind: 'if-present' }
  /** IFEQ. `value` is an argument of the command, with its ownership. */
  | { readonly kind: 'if-equal'; readonly value: Buffer };

const ALWAYS: SetCondition = { kind: 'always' };
const IF_ABSENT: SetCondition = { kind: 'if-absent' };
const IF_PRESENT: SetCondition = { kind: 'if-present' };

const NO_OPTIONS = parsed<SetOptions>({
  condition: ALWAYS,
  returnsOldValue: false,
  keepsExpiry: false,
  expiresAtMs: undefined,
  relative: false,
});

/** Reads what follows the value. REQUIRES: `args` is a whole SET command, of three arguments at least. */
export function parseSetOptions(args: readonly Buffer[], nowMs: number): Parsed<SetOptions> {
  if (args.length === 3) return NO_OPTIONS;
  let condition = ALWAYS;
  let returnsOldValue = false;
  let keepsExpiry = false;
  let expiry: { form: ExpiryForm; time: Buffer } | undefined;

  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const operand = args[i + 1];
    const form = EXPIRY_OPTIONS.get(option);
    if (form !== undefined) {
      if (operand === undefined || keepsExpiry || (expiry !== undefined && expiry.form !== form)) {
        return refused(SYNTAX_ERROR);
      }
      expiry = { form, time: operand };
      i++;
    } else if (equalsIgnoringCase(option, 'keepttl') && expiry === undefined) {
      keepsExpiry = true;
    } else if (equalsIgnoringCase(option, 'get')) {
      returnsOldValue = true;
    } else {
      const stated = readCondition(option, operand);
      if (stated === undefined || (condition !== ALWAYS && condition.kind !== stated.kind)) {
        return refused(SYNTAX_ERROR);
      }
      condition = stated;
      if (stated.kind === 'if-equal') i++;
    }
  }

  if (expiry === undefined)
    return parsed({ condition, returnsOldValue, keepsExpiry, expiresAtMs: undefined, relative: false });
  const expiresAt = parseExpiry(expiry.time, { form: expiry.form, nowMs, fullName: 'set' });
  if (!expiresAt.ok) return expiresAt;
  const relative = !expiry.form.absolute;
  return parsed({ condition, returnsOldValue, keepsExpiry, expiresAtMs: expiresAt.value, relative });
}

function readCondition(option: Buffer, operand: Buffer | undefined): SetCondition | undefined {
  if (equalsIgnoringCase(option, 'nx')) return IF_ABSENT;
  if (equalsIgnoringCase(option, 'xx')) return IF_PRESENT;
  if (equalsIgnoringCase(option, 'ifeq') && operand !== undefined)
    return { kind: 'if-equal', value: operand };
  return undefined;
}
