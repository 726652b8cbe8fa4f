/** What a write over HTTP may say besides key and value: the type of the value, and how long it lives. */
import type { IncomingMessage } from 'node:http';

import { StoreError } from '@diststore/base';

import type { PutOptions } from '../data/partition.js';

export type Query = Readonly<Record<string, string | string[] | undefined>>;

/** A hundred years: more is a mistake in the unit. */
const TTL_MS_MAX = 100 * 365 * 24 * 3600 * 1000;

/** What `curl --data` announces for whatever it sends: it says nothing of the value. */
const CURL_DEFAULT_TYPE = 'application/x-www-form-urlencoded';

/** @throws StoreError bad-parameter: `ttl` or `ttlMs` is not a positive whole number within a hundred years. */
export function expiryOf(query: Query, nowMs: number): number {
  const { ttl, ttlMs } = query;
  if (ttl !== undefined && ttlMs !== undefined) {
    throw new StoreError('bad-parameter', 'Give ttl (seconds) or ttlMs (milliseconds), not both.');
  }
  if (ttlMs !== undefined) return nowMs + duration('ttlMs', ttlMs, 1);
  return ttl === undefined ? 0 : nowMs + duration('ttl', ttl, 1000);
}

function duration(name: string, text: string | string[], unitMs: number): number {
  const ms = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) * unitMs : 0;
  if (ms < 1 || ms > TTL_MS_MAX) {
    throw new StoreError(
      'bad-parameter',
      `${name} is a whole number from 1 to ${TTL_MS_MAX / unitMs}, not ${JSON.stringify(text)}.`,
      {
        facts: { parameter: name },
      },
    );
  }
  return ms;
}

export function putOptionsOf(request: IncomingMessage, query: Query, nowMs: number): PutOptions {
  const contentType = request.headers['content-type'];
  return {
    contentType: contentType === CURL_DEFAULT_TYPE ? undefined : contentType,
    expireAtMs: expiryOf(query, nowMs),
  };
}
