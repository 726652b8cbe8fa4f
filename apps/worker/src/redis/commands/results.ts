/** What results of operations mean for several commands, and small replies they share. */
import type { Expiry, Result, StoredValue } from '@diststore/data';
import type { ReplyEncoder } from '@diststore/redis';
import { parseInt64 } from '@diststore/base';

import { unexpectedResult } from '../unexpected-result.js';

export const NEVER: Expiry = { type: 'never' };
export const KEEP: Expiry = { type: 'keep' };

/** Unix milliseconds from a parser, as an operation says it: a time from now is counted by the partition's clock. */
export function expiryAt(
  expiresAtMs: number,
  relative: boolean,
  nowMs: number,
): { type: 'in'; ms: number } | { type: 'at'; atMs: number } {
  // Not beyond what the clock may add to it.
  return relative && expiresAtMs > nowMs
    ? { type: 'in', ms: expiresAtMs - nowMs }
    : { type: 'at', atMs: expiresAtMs };
}

export function bulkOrNull(value: StoredValue | undefined, out: ReplyEncoder): void {
  if (value === undefined) out.null();
  else out.bulk(value.payload);
}

/** The value that a write found, where it was asked for it. */
export function oldOf(result: Result): StoredValue | undefined {
  switch (result.type) {
    case 'stored':
    case 'deleted':
    case 'refused':
      return result.old;
    case 'absent':
      return undefined;
    default:
      throw unexpectedResult(result);
  }
}

/** `number`, as an integer reply. */
export function replyInteger(result: Result, _args: readonly Buffer[], out: ReplyEncoder): void {
  if (result.type !== 'number') throw unexpectedResult(result);
  out.integer(parseInt64(Buffer.from(result.number)) ?? 0);
}

export function replyLength(result: Result, _args: readonly Buffer[], out: ReplyEncoder): void {
  if (result.type !== 'length') throw unexpectedResult(result);
  out.integer(result.length);
}

/** Whether the operation has done something: false for `refused` and `absent`. */
export function hasHappened({ type }: Result): boolean {
  return type === 'stored' || type === 'deleted';
}
