/**
 * GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST].
 * Source: https://redis.io/docs/latest/commands/getex/
 */
import { equalsIgnoringCase } from './ascii.js';
import { EXPIRY_OPTIONS, parseExpiry } from './expiry.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { SYNTAX_ERROR } from './redis-errors.js';

/** What becomes of the expiry. `expiresAtMs` is in Unix milliseconds, perhaps in the past. */
export type GetExOptions =
  | { readonly kind: 'keep' }
  | { readonly kind: 'persist' }
  /** `relative`: stated from now, with EX or PX. */
  | { readonly kind: 'expire'; readonly expiresAtMs: number; readonly relative: boolean };

const KEEP = parsed<GetExOptions>({ kind: 'keep' });
const PERSIST = parsed<GetExOptions>({ kind: 'persist' });

/** Reads what follows the key. REQUIRES: `args` is a whole GETEX command, of two arguments at least. */
export function parseGetExOptions(args: readonly Buffer[], nowMs: number): Parsed<GetExOptions> {
  const option = args[2];
  if (option === undefined) return KEEP;
  const form = EXPIRY_OPTIONS.get(option);
  // An option may be repeated, in pairs or alone, but not joined by another one.
  const stride = form === undefined ? 1 : 2;
  const isRepeated = (repeated: Buffer) =>
    form === undefined ? equalsIgnoringCase(repeated, 'persist') : EXPIRY_OPTIONS.get(repeated) === form;
  for (let i = 2; i < args.length; i += stride) {
    if (!isRepeated(args[i] as Buffer) || i + stride > args.length) return refused(SYNTAX_ERROR);
  }
  if (form === undefined) return PERSIST;
  const expiresAt = parseExpiry(args.at(-1) as Buffer, { form, nowMs, fullName: 'getex' });
  if (!expiresAt.ok) return expiresAt;
  return parsed({ kind: 'expire', expiresAtMs: expiresAt.value, relative: !form.absolute });
}
