/**
 * The conditions of EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT: [NX | XX | GT | LT], where XX may join GT or LT.
 * Source: https://redis.io/docs/latest/commands/expire/
 */
import { equalsIgnoringCase } from './ascii.js';
import { parsed, refused, type Parsed } from './parsed.js';
import { errorReply } from './reply.js';

export interface ExpireCondition {
  /** NX: only if the key does not expire yet. */
  readonly ifNone: boolean;
  /** XX: only if the key expires already. */
  readonly ifSome: boolean;
  /** GT: only if the new time is later. A key that does not expire counts as infinitely late. */
  readonly ifLater: boolean;
  /** LT: only if the new time is sooner. */
  readonly ifSooner: boolean;
}

const NX_WITH_OTHERS_ERROR = errorReply(
  'ERR NX and XX, GT or LT options at the same time are not compatible',
);
const GT_WITH_LT_ERROR = errorReply('ERR GT and LT options at the same time are not compatible');
const UNCONDITIONAL = parsed<ExpireCondition>({
  ifNone: false,
  ifSome: false,
  ifLater: false,
  ifSooner: false,
});

/** Reads what follows the time. REQUIRES: `args` is a whole command of the family, of three arguments at least. */
export function parseExpireCondition(args: readonly Buffer[]): Parsed<ExpireCondition> {
  if (args.length === 3) return UNCONDITIONAL;
  let [ifNone, ifSome, ifLater, ifSooner] = [false, false, false, false];
  for (const option of args.slice(3)) {
    if (equalsIgnoringCase(option, 'nx')) ifNone = true;
    else if (equalsIgnoringCase(option, 'xx')) ifSome = true;
    else if (equalsIgnoringCase(option, 'gt')) ifLater = true;
    else if (equalsIgnoringCase(option, 'lt')) ifSooner = true;
    else return refused(errorReply(`ERR Unsupported option ${option.toString()}`));
  }
  if (ifNone && (ifSome || ifLater || ifSooner)) return refused(NX_WITH_OTHERS_ERROR);
  if (ifLater && ifSooner) return refused(GT_WITH_LT_ERROR);
  return parsed({ ifNone, ifSome, ifLater, ifSooner });
}

/** Whether a key that expires at `currentMs`, or never when undefined, may be set to expire at `newMs`. */
export function permitsExpiry(
  condition: ExpireCondition,
  currentMs: number | undefined,
  newMs: number,
): boolean {
  const current = currentMs ?? Infinity;
  if (condition.ifNone && currentMs !== undefined) return false;
  if (condition.ifSome && currentMs === undefined) return false;
  if (condition.ifLater && newMs <= current) return false;
  if (condition.ifSooner && newMs >= current) return false;
  return true;
}
