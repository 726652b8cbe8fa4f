/** What a write over HTTP may say besides key and value: the type of the value, and how long it lives. */
import type { Expiry } from '@diststore/data';
import { CONTENT_TYPE_BYTES_MAX } from '@diststore/data';
import type { RequestHead } from '@diststore/http';

import { badHeader } from './headers/header-syntax.js';
import { badParameter, type Query, wholeNumberOf } from './query.js';

/** A hundred years: more is a mistake in the unit. */
export const TTL_MS_MAX = 100 * 365 * 24 * 3600 * 1000;

/** What `curl --data` announces for whatever it sends: it says nothing of the value. */
const CURL_DEFAULT_TYPE = 'application/x-www-form-urlencoded';

const NEVER: Expiry = { type: 'never' };
const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * The lifetime that `ttl` (seconds) or `ttlMs` gives, from the moment on when the write is sequenced.
 * @throws StoreError bad-parameter: not a positive whole number within a hundred years, or both are given.
 */
export function expiryOf(query: Query): Expiry {
  if (query['ttl'] !== undefined && query['ttlMs'] !== undefined) {
    throw badParameter('ttl', 'Give ttl (seconds) or ttlMs (milliseconds), not both');
  }
  const ttlMs = wholeNumberOf(query, 'ttlMs', { min: 1, max: TTL_MS_MAX });
  if (ttlMs !== undefined) return { type: 'in', ms: ttlMs };
  const ttl = wholeNumberOf(query, 'ttl', { min: 1, max: TTL_MS_MAX / 1000 });
  return ttl === undefined ? NEVER : { type: 'in', ms: ttl * 1000 };
}

/** @throws StoreError bad-request: too long to be stored, or not printable ASCII. */
export function contentTypeOf({ headers }: RequestHead): string | undefined {
  const contentType = headers['content-type'];
  if (contentType === undefined || contentType === '' || contentType === CURL_DEFAULT_TYPE) return undefined;
  const why = problemOfContentType(contentType);
  if (why !== undefined) throw badHeader('Content-Type', contentType, why);
  return contentType;
}

/** Why `contentType` cannot be stored, and sent as a header again; undefined if it can. */
export function problemOfContentType(contentType: string): string | undefined {
  if (contentType.length > CONTENT_TYPE_BYTES_MAX) {
    return `it has ${contentType.length} characters, ${CONTENT_TYPE_BYTES_MAX} are the most`;
  }
  return PRINTABLE.test(contentType) ? undefined : 'it is not printable ASCII';
}
