/**
 * How operations that change a value in place are decided: numbers, text and bits. As Redis 7.2 has them, whose
 * documentation of INCRBY, INCRBYFLOAT, APPEND, SETRANGE, SETBIT, BITFIELD and BITOP is the source.
 */
import { addInt64, parseInt64, toInt64 } from '@diststore/base';

import { bitAt, combine, fieldEnd, numberAt, withBit, writeNumber } from './bits.js';
import { allHold, refused } from './conditions.js';
import { addDecimals } from './decimal.js';
import { intact, live, payloadOf } from './draft.js';
import type { Contents, Draft, Row } from './draft.js';
import { fitInto } from './field-overflow.js';
import type { DataLimits } from './limits.js';
import type { Add, AddDecimal, Append, BitField, BitOperation, SetBit, SetRange } from './operation.js';
import type { FailureReason, Result } from './result.js';

export function decideAdd({ key, by, conditions }: Add, draft: Draft): Result {
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  if (!allHold(conditions, current)) return refused(current, false);
  const number = current === undefined ? 0 : parseInt64(payloadOf(current));
  if (number === undefined) return failed('not-an-integer');
  const increment = toInt64(by);
  const sum = increment === undefined ? undefined : addInt64(number, increment);
  if (sum === undefined) return failed('overflow');
  return storeNumber(key, row, current, sum.toString(), draft);
}

export function decideAddDecimal({ key, by }: AddDecimal, draft: Draft): Result {
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  const sum = addDecimals(current === undefined ? ZERO : payloadOf(current), Buffer.from(by, 'latin1'));
  return sum.type === 'sum' ? storeNumber(key, row, current, sum.text, draft) : failed(sum.reason);
}

export function decideAppend(operation: Append, draft: Draft, limits: DataLimits): Result {
  const { key, value, conditions } = operation;
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  if (!allHold(conditions, current)) return refused(current, false);
  const old = payloadOf(current);
  const length = old.length + value.length;
  if (length > limits.maxValueBytes) return failed('too-large');
  if (current !== undefined && value.length === 0) return unchanged(current);
  draft.put(key, row, withPayload(current, Buffer.concat([old, value])));
  return { type: 'length', version: draft.seq, length, created: current === undefined };
}

export function decideSetRange(operation: SetRange, draft: Draft, limits: DataLimits): Result {
  const { key, offset, value } = operation;
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  if (value.length === 0) return unchanged(current);
  const old = payloadOf(current);
  const length = Math.max(old.length, offset + value.length);
  if (length > limits.maxValueBytes) return failed('too-large');
  const payload = extended(old, length);
  value.copy(payload, offset);
  draft.put(key, row, withPayload(current, payload));
  return { type: 'length', version: draft.seq, length, created: current === undefined };
}

export function decideSetBit({ key, offset, bit }: SetBit, draft: Draft, limits: DataLimits): Result {
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  const old = payloadOf(current);
  const length = Math.max(old.length, fieldEnd(offset, 1));
  if (length > limits.maxValueBytes) return failed('too-large');
  const before = bitAt(old, offset);
  const number = String(before);
  if (current !== undefined && length === old.length && before === bit)
    return { type: 'number', version: current.version, number, created: false };
  const payload = extended(old, length);
  withBit(payload, offset, bit);
  draft.put(key, row, withPayload(current, payload));
  return { type: 'number', version: draft.seq, number, created: current === undefined };
}

export function decideBitField({ key, steps }: BitField, draft: Draft, limits: DataLimits): Result {
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  const old = payloadOf(current);
  let length = old.length;
  let writes = false;
  for (const step of steps) {
    if (step.type === 'get') continue;
    writes = true;
    length = Math.max(length, fieldEnd(step.offset, step.bits));
  }
  if (length > limits.maxValueBytes) return failed('too-large');
  const payload = writes ? extended(old, length) : old;
  const numbers = steps.map((step) => {
    const found = numberAt(payload, step);
    if (step.type === 'get') return String(found);
    // As Redis: SET takes its operand for what the field held, and adds nothing.
    const next = step.type === 'set' ? fitInto(step, step.value, 0n) : fitInto(step, found, step.value);
    if (next === undefined) return null;
    writeNumber(payload, step, next);
    return String(step.type === 'set' ? found : next);
  });
  const isChanged = writes && !(current !== undefined && payload.equals(old));
  if (isChanged) draft.put(key, row, withPayload(current, payload));
  return { type: 'numbers', version: isChanged ? draft.seq : (current?.version ?? 0), numbers };
}

export function decideBitOperation({ operator, key, sources }: BitOperation, draft: Draft): Result {
  const row = draft.find(key);
  const current = live(row, draft.clockMs);
  const payload = combine(
    operator,
    sources.map((source) => payloadOf(live(draft.find(source), draft.clockMs))),
  );
  const { length } = payload;
  if (length > 0) {
    draft.put(key, row, { expireAtMs: 0, contentType: undefined, payload });
    return { type: 'length', version: draft.seq, length, created: current === undefined };
  }
  if (current === undefined) return { type: 'length', version: 0, length, created: false };
  draft.delete(key, current);
  return { type: 'length', version: draft.seq, length, created: false };
}

const ZERO = Buffer.from('0');

function storeNumber(
  key: Buffer,
  row: Row | undefined,
  current: Row | undefined,
  number: string,
  draft: Draft,
): Result {
  draft.put(key, row, withPayload(current, Buffer.from(number, 'latin1')));
  return { type: 'number', version: draft.seq, number, created: current === undefined };
}

function unchanged(current: Row | undefined): Result {
  if (current === undefined) return { type: 'length', version: 0, length: 0, created: false };
  const { version, payload } = intact(current);
  return { type: 'length', version, length: payload.length, created: false };
}

function withPayload(current: Row | undefined, payload: Buffer): Contents {
  return { expireAtMs: current?.expireAtMs ?? 0, contentType: current?.contentType, payload };
}

/** A buffer of its own. REQUIRES: `length` is at least what there is. */
function extended(old: Buffer, length: number): Buffer {
  const grown = Buffer.allocUnsafe(length);
  old.copy(grown);
  return grown.fill(0, old.length);
}

function failed(reason: FailureReason): Result {
  return { type: 'failed', reason };
}
