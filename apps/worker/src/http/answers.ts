/**
 * How the worker's data looks in HTTP: the one place that turns records and receipts into answers, shared by the
 * documented routes and the resource API.
 */
import { StoreError } from '@diststore/base';
import { Reply } from '@diststore/http';
import type { StoredRecord } from '@diststore/storage';

import type { Receipt } from '../data/keyspace.js';
import type { Holders } from '../routing/router.js';

const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** A key as people read it: as text when it is UTF-8, as base64url otherwise. */
function nameOf(key: Buffer): { key: string } | { key64: string } {
  const text = key.toString('utf8');
  return Buffer.from(text, 'utf8').equals(key) ? { key: text } : { key64: key.toString('base64url') };
}

/**
 * The stored bytes, exactly. A value is data of whoever stored it: a browser that opens it may neither guess its type
 * nor run what is in it.
 */
export function valueReply(record: StoredRecord, { partition, replicas }: Holders, nowMs: number): Reply {
  const headers: (string | number)[] = [
    'Content-Type',
    record.contentType ?? DEFAULT_CONTENT_TYPE,
    'ETag',
    `"${record.version}"`,
    'X-Content-Type-Options',
    'nosniff',
    'Content-Security-Policy',
    'sandbox',
    'DistStore-Version',
    record.version,
    'DistStore-Partition',
    partition,
    'DistStore-Replicas',
    replicas.join(','),
  ];
  if (record.expireAtMs !== 0)
    headers.push('DistStore-TTL', Math.max(1, Math.ceil((record.expireAtMs - nowMs) / 1000)));
  return new Reply(200, headers, record.payload);
}

/** What was done, for people and programs: key, version, and who holds it. */
export function receiptReply(status: 200 | 201, key: Buffer, receipt: Receipt): Reply {
  const { version, partition, replicas } = receipt;
  return Reply.json(status, { ...nameOf(key), version, partition, replicas }, [
    'ETag',
    `"${version}"`,
    'DistStore-Version',
    version,
    'DistStore-Partition',
    partition,
    'DistStore-Replicas',
    replicas.join(','),
  ]);
}

export function keyNotFound(key: Buffer): StoreError {
  return new StoreError('key-not-found', 'No value is stored under this key.', { facts: nameOf(key) });
}
