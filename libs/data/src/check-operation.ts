/**
 * The limits that every operation keeps, whoever asks for it: checked where it comes in, and again where it arrives,
 * since another worker may have other limits.
 */
import { INT64_MAX, INT64_MIN, StoreError, unreachable } from '@diststore/base';

import { isDecimal } from './decimal.js';
import {
  BIT_FIELD_STEP_BYTES,
  BIT_FIELD_STEPS_MAX,
  BIT_SOURCES_MAX,
  CONDITION_VERSIONS_MAX,
  CONDITIONS_MAX,
  CONTENT_TYPE_BYTES_MAX,
  KEY_BYTES_MAX,
  operationBytesMax,
  TRANSACTION_OPERATIONS_MAX,
} from './limits.js';
import type { DataLimits } from './limits.js';
import type { BitField, BitOperation, Condition, Expiry, Operation, Transaction } from './operation.js';

/**
 * @throws StoreError key-empty, key-too-long, value-too-large (one value, or all of the operation together),
 *   bad-parameter: a content type, number, offset or expiry out of range, or too many of something.
 */
export function checkOperation(operation: Operation, limits: DataLimits): void {
  const bytes = checkedBytes(operation, limits);
  const bytesMax = operationBytesMax(limits);
  if (bytes > bytesMax) {
    const detail = `All keys and values of one operation are at most ${bytesMax} bytes; here they are ${bytes}.`;
    throw new StoreError('value-too-large', detail, { facts: { limitBytes: bytesMax, setting: 'maxValueBytes' } });
  }
}

/** @throws StoreError key-empty, key-too-long */
export function checkKey(key: Buffer): void {
  if (key.length === 0) throw new StoreError('key-empty', 'The key is empty.');
  if (key.length > KEY_BYTES_MAX) {
    const detail = `The limit is ${KEY_BYTES_MAX} bytes; the key has ${key.length}.`;
    throw new StoreError('key-too-long', detail, { facts: { limitBytes: KEY_BYTES_MAX, keyBytes: key.length } });
  }
}

/** Its keys and values, in bytes, as far as checked one by one. */
function checkedBytes(operation: Operation, limits: DataLimits): number {
  if (operation.type === 'clear') return 0;
  if (operation.type === 'transaction') return transactionBytes(operation, limits);
  checkKey(operation.key);
  const bytes = operation.key.length;
  switch (operation.type) {
    case 'get':
      return bytes;
    case 'put':
      checkValue(operation.value, limits);
      checkContentType(operation.contentType);
      checkExpiry(operation.expiry);
      return bytes + operation.value.length + conditionBytes(operation.conditions);
    case 'delete':
      return bytes + conditionBytes(operation.conditions);
    case 'set-expiry':
      checkExpiry(operation.expiry);
      return bytes + conditionBytes(operation.conditions);
    case 'add':
      check(operation.by >= INT64_MIN && operation.by <= INT64_MAX, 'A number to add has 64 bits.');
      return bytes + conditionBytes(operation.conditions);
    case 'add-decimal':
      check(isDecimal(Buffer.from(operation.by)), 'What is to be added is no finite decimal number.');
      return bytes + operation.by.length;
    case 'append':
      checkValue(operation.value, limits);
      return bytes + operation.value.length + conditionBytes(operation.conditions);
    case 'set-range':
      checkValue(operation.value, limits);
      checkNumber(operation.offset, 0, 'An offset');
      return bytes + operation.value.length;
    case 'set-bit':
      checkNumber(operation.offset, 0, 'An offset');
      return bytes;
    case 'bit-field':
      return bytes + fieldBytes(operation);
    case 'bit-operation':
      return bytes + sourceBytes(operation);
    case 'copy':
      checkKey(operation.from);
      return bytes + operation.from.length;
    default:
      return unreachable(operation);
  }
}

function transactionBytes({ compare, then, otherwise }: Transaction, limits: DataLimits): number {
  const count = compare.length + then.length + otherwise.length;
  checkCount(count, TRANSACTION_OPERATIONS_MAX, 'A transaction', 'operations');
  let bytes = 0;
  for (const { key, conditions } of compare) {
    checkKey(key);
    bytes += key.length + conditionBytes(conditions);
  }
  for (const operation of then) bytes += checkedBytes(operation, limits);
  for (const operation of otherwise) bytes += checkedBytes(operation, limits);
  return bytes;
}

function conditionBytes(conditions: readonly Condition[]): number {
  if (conditions.length === 0) return 0;
  checkCount(conditions.length, CONDITIONS_MAX, 'An operation', 'conditions');
  let bytes = 0;
  for (const condition of conditions) {
    if (condition.type === 'value') bytes += condition.equals.length;
    else if (condition.type === 'version') bytes += versionBytes(condition.anyOf);
    else if (condition.type === 'not-version') bytes += versionBytes(condition.noneOf);
  }
  return bytes;
}

function versionBytes(versions: readonly number[]): number {
  checkCount(versions.length, CONDITION_VERSIONS_MAX, 'A condition', 'versions');
  for (const version of versions) checkNumber(version, 0, 'A version');
  return versions.length * 8;
}

function fieldBytes({ steps }: BitField): number {
  checkCount(steps.length, BIT_FIELD_STEPS_MAX, 'A bit field operation', 'steps');
  for (const step of steps) {
    const bitsMax = step.signed ? 64 : 63;
    check(
      Number.isInteger(step.bits) && step.bits >= 1 && step.bits <= bitsMax,
      'A field has 1 to 64 bits, an unsigned one 63.',
    );
    checkNumber(step.offset, 0, 'An offset');
    if (step.type !== 'get')
      check(step.value >= INT64_MIN && step.value <= INT64_MAX, 'The operand of a field has 64 bits.');
  }
  return steps.length * BIT_FIELD_STEP_BYTES;
}

function sourceBytes({ operator, sources }: BitOperation): number {
  checkCount(sources.length, BIT_SOURCES_MAX, 'A bit operation', 'sources');
  check(
    operator === 'not' ? sources.length === 1 : sources.length > 0,
    'A bit operation has at least one source, and `not` no other.',
  );
  for (const source of sources) checkKey(source);
  return sources.reduce((sum, source) => sum + source.length, 0);
}

function checkValue(value: Buffer, { maxValueBytes }: DataLimits): void {
  if (value.length <= maxValueBytes) return;
  const detail = `The limit is ${maxValueBytes} bytes (maxValueBytes); the value has ${value.length}.`;
  throw new StoreError('value-too-large', detail, { facts: { limitBytes: maxValueBytes, setting: 'maxValueBytes' } });
}

/** Visible ASCII, blanks and tabs: what a header may hold, without the bytes that have no agreed meaning. */
const CONTENT_TYPE = /^[\t\x20-\x7e]*$/;

function checkContentType(contentType: string | undefined): void {
  if (contentType === undefined) return;
  check(
    contentType.length <= CONTENT_TYPE_BYTES_MAX && CONTENT_TYPE.test(contentType),
    `A Content-Type is ASCII of at most ${CONTENT_TYPE_BYTES_MAX} characters.`,
  );
}

function checkExpiry(expiry: Expiry): void {
  if (expiry.type === 'at') checkNumber(expiry.atMs, 0, 'An expiry');
  else if (expiry.type === 'in') checkNumber(expiry.ms, 1, 'A lifetime');
}

function checkNumber(value: number, min: number, what: string): void {
  check(Number.isSafeInteger(value) && value >= min, `${what} is a whole number from ${min} to 2^53 - 1.`);
}

function checkCount(count: number, max: number, what: string, items: string): void {
  check(count <= max, `${what} has at most ${max} ${items}; this one has ${count}.`);
}

function check(isSound: boolean, detail: string): void {
  if (!isSound) throw new StoreError('bad-parameter', detail);
}
