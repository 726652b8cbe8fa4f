/**
 * Idempotency-Key: a name that a client gives to one write, so that sending it again, after an answer that never
 * came, does not do it again. Partitions remember requests by an id of 16 bytes and a fingerprint of what was asked:
 * both are hashes, so that a key may be any text.
 *
 * Source: draft-ietf-httpapi-idempotency-key-header, without its demand that the key be a quoted string.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

import { encodeOperation } from '@diststore/data';
import type { WriteOperation } from '@diststore/data';
import type { Request } from '@diststore/replication';

import { badHeader } from './header-syntax.js';

/** Four times a UUID in text, and some. Beyond: 400. */
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

const PRINTABLE = /^[\x20-\x7e]+$/;
const REQUEST_ID_BYTES = 16;

/** @throws StoreError bad-request: empty, too long, or not printable ASCII. */
export function parseIdempotencyKey(text: string): string {
  if (text === '') throw badHeader('Idempotency-Key', text, 'it is empty');
  if (text.length > IDEMPOTENCY_KEY_CHARS_MAX) {
    throw badHeader(
      'Idempotency-Key',
      text,
      `it has ${text.length} characters, ${IDEMPOTENCY_KEY_CHARS_MAX} are the most`,
    );
  }
  if (!PRINTABLE.test(text)) throw badHeader('Idempotency-Key', text, 'it is not printable ASCII');
  return text;
}

/** What the client has sent; undefined: none. @throws as `parseIdempotencyKey` */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  // Node joins a header that occurs twice, except for a few that this is none of.
  const text = headers['idempotency-key'] as string | undefined;
  return text === undefined ? undefined : parseIdempotencyKey(text);
}

/**
 * The request that the partition shall remember.
 * @param key as `parseIdempotencyKey` has let it through.
 * @param part which part of what the client asked for this is, when that is several operations.
 */
export function requestOf(key: string, clusterId: string, operation: WriteOperation, part = 0): Request {
  const name = createHash('sha256').update(`${clusterId}\n${part}\n${key}`).digest();
  const asked = createHash('sha256');
  for (const bytes of encodeOperation(operation)) asked.update(bytes);
  const digest = asked.digest();
  return {
    id: name.toString('hex', 0, REQUEST_ID_BYTES),
    fingerprint: { hi: digest.readUInt32BE(0), lo: digest.readUInt32BE(4) },
  };
}
