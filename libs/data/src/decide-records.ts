/** How operations on whole records are decided: put, delete, expiry, copy. */
import { unreachable } from '@diststore/base';

import { allHold, refused } from './conditions.js';
import { intact, live, valueOf } from './draft.js';
import type { Draft, Row } from './draft.js';
import type { Copy, Delete, Expiry, ExpiryRule, Put, ReadOperation, SetExpiry } from './operation.js';
import type { Result } from './result.js';

const ABSENT: Result = { type: 'absent' };

export function decideGet({ key }: ReadOperation, draft: Draft): Result {
  const row = live(draft.find(key), draft.clockMs);
  return { type: 'value', record: row === undefined ? undefined : valueOf(row) };
}

export function decidePut(operation: Put, draft: Draft): Result {
  const { key, value, contentType, expiry, conditions, returnOld } = operation;
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  if (!allHold(conditions, current)) return refused(current, returnOld);
  const expireAtMs = expiryTime(expiry, current, draft.clockMs);
  if (hasPassed(expireAtMs, draft.clockMs)) return remove(key, current, draft, returnOld);
  const old = returnOld && current !== undefined ? valueOf(current) : undefined;
  draft.put(key, row, { expireAtMs, contentType, payload: value });
  return { type: 'stored', version: draft.seq, created: current === undefined, expireAtMs, old };
}

export function decideDelete({ key, conditions, returnOld }: Delete, draft: Draft): Result {
  const current = live(draft.find(key), draft.clockMs);
  if (!allHold(conditions, current)) return refused(current, returnOld);
  return remove(key, current, draft, returnOld);
}

export function decideSetExpiry(operation: SetExpiry, draft: Draft): Result {
  const { key, expiry, rules, conditions, returnOld } = operation;
  const current = live(draft.find(key), draft.clockMs);
  if (!allHold(conditions, current)) return refused(current, returnOld);
  if (current === undefined) return ABSENT;
  const { contentType, payload } = intact(current);
  const expireAtMs = expiryTime(expiry, current, draft.clockMs);
  for (const rule of rules)
    if (!permits(rule, current.expireAtMs, expireAtMs)) return refused(current, returnOld);
  if (hasPassed(expireAtMs, draft.clockMs)) return remove(key, current, draft, returnOld);
  const old = returnOld ? valueOf(current) : undefined;
  if (expireAtMs === current.expireAtMs)
    return { type: 'stored', version: current.version, created: false, expireAtMs, old };
  draft.put(key, current, { expireAtMs, contentType, payload });
  return { type: 'stored', version: draft.seq, created: false, expireAtMs, old };
}

export function decideCopy({ from, key, move, replace }: Copy, draft: Draft): Result {
  const source = live(draft.find(from), draft.clockMs);
  if (source === undefined) return ABSENT;
  const row = draft.find(key);
  const taken = live(row, draft.clockMs);
  if (taken !== undefined && !replace) return refused(taken, false);
  const { version, expireAtMs, contentType, payload } = intact(source);
  if (from.equals(key)) return { type: 'stored', version, created: false, expireAtMs, old: undefined };
  draft.put(key, row, { expireAtMs, contentType, payload });
  if (move) draft.delete(from, source);
  return { type: 'stored', version: draft.seq, created: taken === undefined, expireAtMs, old: undefined };
}

function remove(key: Buffer, current: Row | undefined, draft: Draft, returnOld: boolean): Result {
  if (current === undefined) return ABSENT;
  const old = returnOld ? valueOf(current) : undefined;
  draft.delete(key, current);
  return { type: 'deleted', version: draft.seq, old };
}

/** 0 = never. */
function expiryTime(expiry: Expiry, current: Row | undefined, clockMs: number): number {
  switch (expiry.type) {
    case 'never':
      return 0;
    case 'keep':
      return current === undefined ? 0 : intact(current).expireAtMs;
    case 'at':
      // 0 means never where it is stored, but a moment of the past where somebody asks for it.
      return Math.max(1, expiry.atMs);
    case 'in':
      return Math.min(clockMs + expiry.ms, Number.MAX_SAFE_INTEGER);
    default:
      return unreachable(expiry);
  }
}

function hasPassed(expireAtMs: number, clockMs: number): boolean {
  return expireAtMs !== 0 && expireAtMs <= clockMs;
}

/** As EXPIRE's NX, XX, GT and LT. */
function permits(rule: ExpiryRule, currentMs: number, wantedMs: number): boolean {
  const current = currentMs === 0 ? Infinity : currentMs;
  const wanted = wantedMs === 0 ? Infinity : wantedMs;
  switch (rule) {
    case 'if-none':
      return currentMs === 0;
    case 'if-some':
      return currentMs !== 0;
    case 'if-later':
      return wanted > current;
    case 'if-earlier':
      return wanted < current;
    default:
      return unreachable(rule);
  }
}
