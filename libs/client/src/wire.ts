/** Keys, values and operations as the HTTP API writes them. */
import { isUtf8 } from 'node:buffer';

import { DistStoreError } from './error.js';
import type { Batched, Bytes, Comparison, Conditions, Listed, Step } from './types.js';

export type Json = Readonly<Record<string, unknown>>;

export function bytesOf(data: Bytes): Buffer {
  return typeof data === 'string'
    ? Buffer.from(data)
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The path and query of a key: readable where that is safe, and as base64url where it is no text, or where a proxy
 * might take a part of it for a step up or nothing.
 */
export function targetOf(key: Bytes, action?: string): string {
  const bytes = bytesOf(key);
  const tail = action === undefined ? '' : `/${action}`;
  if (bytes.length > 0 && isUtf8(bytes)) {
    const segments = bytes.toString('utf8').split('/');
    if (segments.every((segment) => !['', '.', '..'].includes(segment))) {
      return `/v1/kv/${segments.map(encodeURIComponent).join('/')}${tail}`;
    }
  }
  return `/v1/kv${tail}?key64=${bytes.toString('base64url')}`;
}

export function withQuery(target: string, query: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return pairs.length === 0 ? target : `${target}${target.includes('?') ? '&' : '?'}${pairs.join('&')}`;
}

export function conditionHeaders({ ifMatch, ifNoneMatch }: Conditions): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { 'if-match': tagsOf(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': tagsOf(ifNoneMatch) }),
  };
}

function tagsOf(versions: number | readonly number[] | '*'): string {
  return versions === '*'
    ? '*'
    : [versions]
        .flat()
        .map((version) => `"${version}"`)
        .join(', ');
}

export function stepJson(step: Step): Json {
  const { key, ...rest } = step;
  if (rest.op === 'incr') return { ...rest, ...field('key', key), by: (rest.by ?? 1).toString() };
  if (rest.op !== 'put' && rest.op !== 'append') return { ...rest, ...field('key', key) };
  const { value, ...others } = rest;
  return { ...others, ...field('key', key), ...field('value', value) };
}

export function comparisonJson({ key, value, ...conditions }: Comparison): Json {
  return { ...field('key', key), ...(value === undefined ? {} : field('value', value)), ...conditions };
}

/** `name` or `name64`. */
function field(name: string, data: Bytes): Json {
  const bytes = bytesOf(data);
  return isUtf8(bytes) ? { [name]: bytes.toString('utf8') } : { [`${name}64`]: bytes.toString('base64url') };
}

export function batchedOf(json: Json, op: Step['op'] | undefined): Batched {
  const { status, version, value, code, detail } = json;
  const isNumber = op === 'incr' && value !== undefined;
  return {
    status: Number(status),
    version: typeof version === 'number' ? version : undefined,
    value: isNumber ? undefined : readField(json, 'value'),
    number: isNumber ? BigInt(value as number | string) : undefined,
    code: typeof code === 'string' ? code : undefined,
    detail: typeof detail === 'string' ? detail : undefined,
  };
}

export function listedOf(json: Json): Listed {
  const key = readField(json, 'key');
  const { version, contentType, expireAtMs } = json;
  if (key === undefined || typeof version !== 'number')
    throw unexpected('An item of a listing has no key or no version.');
  return {
    key,
    value: readField(json, 'value') ?? Buffer.alloc(0),
    version,
    contentType: typeof contentType === 'string' ? contentType : undefined,
    expireAtMs: typeof expireAtMs === 'number' ? expireAtMs : undefined,
  };
}

function readField(json: Json, name: string): Buffer | undefined {
  const [text, text64] = [json[name], json[`${name}64`]];
  if (typeof text === 'string') return Buffer.from(text);
  return typeof text64 === 'string' ? Buffer.from(text64, 'base64url') : undefined;
}

/** @throws DistStoreError bad-answer */
export function jsonOf(body: Buffer): Json {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) return parsed as Json;
  } catch (cause) {
    throw new DistStoreError('bad-answer', 'The answer is not JSON.', { cause });
  }
  throw unexpected('The answer is not a JSON object.');
}

export function unexpected(message: string): DistStoreError {
  return new DistStoreError('bad-answer', message);
}
