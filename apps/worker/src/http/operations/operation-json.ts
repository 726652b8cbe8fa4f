/** Operations as JSON, in batches, transactions and imports, and what became of them. */
import { isStoreError, parseInt64 } from '@diststore/base';
import type { Condition, Expiry, Operation, ReadOperation, Result, SingleWrite } from '@diststore/data';
import { problemOf } from '@diststore/http';

import { errorOfResult, receiptOf, recordJson } from '../answers.js';
import { nameOf, valueText } from '../data-text.js';
import { failureRefusal } from '../refusals.js';
import { problemOfContentType, TTL_MS_MAX } from '../write-parameters.js';
import { badField, JsonObject } from './json-reader.js';

/** What a batch or a branch of a transaction is made of. Each has one key. */
export type KeyOperation =
  | ReadOperation
  | Extract<SingleWrite, { type: 'put' | 'delete' | 'add' | 'append' | 'set-expiry' }>;

const KEY = ['op', 'key', 'key64'];
const CONDITIONS = ['ifMatch', 'ifNoneMatch'];
const VALUE = ['value', 'value64'];
const LIFETIME = ['ttl', 'ttlMs'];
const FIELDS = {
  get: KEY,
  put: [...KEY, ...VALUE, 'contentType', ...LIFETIME, ...CONDITIONS],
  delete: [...KEY, ...CONDITIONS],
  incr: [...KEY, 'by', ...CONDITIONS],
  append: [...KEY, ...VALUE, ...CONDITIONS],
  touch: [...KEY, ...LIFETIME, ...CONDITIONS],
  persist: [...KEY, ...CONDITIONS],
} as const;

const NAMES = Object.keys(FIELDS) as (keyof typeof FIELDS)[];

/** Versions in one condition. */
const VERSIONS_MAX = 100;

/** @throws StoreError bad-request, naming what is wrong and where. */
export function operationFrom(value: unknown, where: string): KeyOperation {
  const op = typeof value === 'object' && value !== null && 'op' in value ? value.op : undefined;
  const name = NAMES.find((known) => known === op);
  if (name === undefined) throw badField(where, `has no op of ${NAMES.join(', ')}`);
  const fields = new JsonObject(value, where, FIELDS[name]);
  const key = fields.requiredBytes('key');
  if (name === 'get') return { type: 'get', key };
  const conditions = conditionsFrom(fields);
  switch (name) {
    case 'put':
      return {
        type: 'put',
        key,
        value: fields.requiredBytes('value'),
        contentType: contentTypeFrom(fields),
        expiry: lifetimeFrom(fields) ?? { type: 'never' },
        conditions,
        returnOld: false,
      };
    case 'delete':
      return { type: 'delete', key, conditions, returnOld: false };
    case 'incr':
      return { type: 'add', key, by: summandFrom(fields), conditions };
    case 'append':
      return { type: 'append', key, value: fields.requiredBytes('value'), conditions };
    case 'touch': {
      const expiry = lifetimeFrom(fields);
      if (expiry === undefined) throw badField(where, 'has neither ttl nor ttlMs');
      return { type: 'set-expiry', key, expiry, rules: [], conditions, returnOld: false };
    }
    case 'persist':
      return { type: 'set-expiry', key, expiry: { type: 'never' }, rules: [], conditions, returnOld: false };
  }
}

/** @throws StoreError bad-request */
export function contentTypeFrom(fields: JsonObject): string | undefined {
  const contentType = fields.text('contentType');
  if (contentType === undefined || contentType === '') return undefined;
  const why = problemOfContentType(contentType);
  if (why !== undefined) throw badField(fields.at('contentType'), `cannot be stored: ${why}`);
  return contentType;
}

/** From `ttl` (seconds) or `ttlMs`. @throws StoreError bad-request */
export function lifetimeFrom(fields: JsonObject): Extract<Expiry, { type: 'in' }> | undefined {
  if (fields.has('ttl') && fields.has('ttlMs')) throw badField(fields.where, 'has both ttl and ttlMs');
  const ttlMs = fields.wholeNumber('ttlMs', { min: 1, max: TTL_MS_MAX });
  if (ttlMs !== undefined) return { type: 'in', ms: ttlMs };
  const ttl = fields.wholeNumber('ttl', { min: 1, max: TTL_MS_MAX / 1000 });
  return ttl === undefined ? undefined : { type: 'in', ms: ttl * 1000 };
}

/** `ifMatch` and `ifNoneMatch`: a version, a list of versions, or `"*"`. @throws StoreError bad-request */
export function conditionsFrom(fields: JsonObject): readonly Condition[] {
  const conditions: Condition[] = [];
  if (fields.has('ifMatch')) {
    const versions = versionsFrom(fields, 'ifMatch');
    conditions.push(versions === 'any' ? { type: 'present' } : { type: 'version', anyOf: versions });
  }
  if (fields.has('ifNoneMatch')) {
    const versions = versionsFrom(fields, 'ifNoneMatch');
    conditions.push(versions === 'any' ? { type: 'absent' } : { type: 'not-version', noneOf: versions });
  }
  return conditions;
}

function versionsFrom(fields: JsonObject, name: string): 'any' | readonly number[] {
  const value = fields.raw(name);
  if (value === '*') return 'any';
  const versions = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (versions.length === 0 || versions.length > VERSIONS_MAX || !versions.every(isVersion)) {
    throw badField(fields.at(name), `is neither "*", a version nor a list of 1 to ${VERSIONS_MAX} versions`);
  }
  return versions;
}

function isVersion(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

function summandFrom(fields: JsonObject): bigint {
  const value = fields.raw('by') ?? 1;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  const by = typeof value === 'string' ? parseInt64(Buffer.from(value)) : undefined;
  if (by !== undefined) return BigInt(by);
  throw badField(fields.at('by'), 'is not a whole number of 64 bits; beyond 2^53 give it as a text');
}

/** One answer of a batch or transaction, with the status that the operation alone would have had. */
export type ResultJson = { readonly status: number } & Readonly<Record<string, unknown>>;

export function resultJson(operation: Operation, result: Result): ResultJson {
  const key = 'key' in operation ? operation.key : Buffer.alloc(0);
  if (result.type === 'value' && result.record !== undefined) {
    return { status: 200, ...recordJson(key, result.record), ...valueText(result.record.payload) };
  }
  const receipt = receiptOf(result);
  if (receipt !== undefined) {
    const { status, ...rest } = receipt;
    return { status, ...nameOf(key), ...rest };
  }
  if (result.type === 'failed' && result.reason !== 'too-large') {
    const { status, code, detail, retryable } = failureRefusal(result.reason);
    return { status, ...nameOf(key), code, detail, retryable };
  }
  return errorJson(key, errorOfResult(key, result.type === 'value' ? { type: 'absent' } : result));
}

/** An operation that was not done, or may not have been. @throws what is no StoreError */
export function errorJson(key: Buffer, error: unknown): ResultJson {
  if (!isStoreError(error)) throw error;
  const { status, code, detail, retryable } = problemOf(error);
  const version = error.facts['version'];
  return { status, ...nameOf(key), code, detail, retryable, ...(version === undefined ? {} : { version }) };
}
