/**
 * Where each row of a worker's LevelDB lives. The first byte is the row's kind; a partition's data is one contiguous
 * range in key order, so that it can be listed, copied and dropped as a range.
 *
 *     key                            value
 *     00                             store header (store-header.ts)
 *     01 partition:u16               configuration in which the replica is installed (sealed)
 *     02 partition:u16               state of the partition (partition-state.ts)
 *     03 partition:u16 seq:u64       log entry, with a checksum of its own
 *     04 partition:u16 key           data: record (record.ts)
 *     05 partition:u16 id            result of the finished request of this id of 16 bytes (request-row.ts)
 *     06 partition:u16 ms:u64 seq:u64 id   when and by which entry it was finished, oldest first; no value
 *     07 partition:u16 ms:u64 key    expiry index: look at `key` at this time; no value
 *     08                             the cluster map as last heard (sealed JSON)
 *     10 name                        master: metadata
 *
 * The kinds are in hexadecimal, all numbers big endian. Persisted, never renumber.
 */
import { invariant } from '@diststore/base';

import { readU64, writeU64 } from './binary.js';
import { KEY_BYTES_MAX } from './limits.js';
import type { KeyRange } from './storage.js';

const KIND_HEADER = 0x00;
const KIND_INSTALLED = 0x01;
const KIND_STATE = 0x02;
const KIND_LOG = 0x03;
const KIND_DATA = 0x04;
const KIND_REQUEST = 0x05;
const KIND_REQUEST_AGE = 0x06;
const KIND_EXPIRY = 0x07;
const KIND_MAP = 0x08;
const KIND_METADATA = 0x10;

const PREFIX_BYTES = 3;
const EXPIRY_PREFIX_BYTES = PREFIX_BYTES + 8;
const PARTITION_MAX = 0xffff;
const REQUEST_ID_BYTES = 16;
const LOG_KEY_BYTES = PREFIX_BYTES + 8;
const REQUEST_KEY_BYTES = PREFIX_BYTES + REQUEST_ID_BYTES;
const REQUEST_AGE_PREFIX_BYTES = PREFIX_BYTES + 16;
const REQUEST_AGE_KEY_BYTES = REQUEST_AGE_PREFIX_BYTES + REQUEST_ID_BYTES;

export const HEADER_KEY: Buffer = Buffer.from([KIND_HEADER]);

export const MAP_KEY: Buffer = Buffer.from([KIND_MAP]);

/** The installed configurations of all partitions. */
export const INSTALLED_RANGE: KeyRange = {
  gte: Buffer.from([KIND_INSTALLED]),
  lt: Buffer.from([KIND_INSTALLED + 1]),
};

function allocate(kind: number, partition: number, bytes: number): Buffer {
  invariant(
    Number.isInteger(partition) && partition >= 0 && partition <= PARTITION_MAX,
    'a partition fits two bytes',
    {
      partition,
    },
  );
  const row = Buffer.allocUnsafe(bytes);
  row[0] = kind;
  row.writeUInt16BE(partition, 1);
  return row;
}

export function installedKey(partition: number): Buffer {
  return allocate(KIND_INSTALLED, partition, PREFIX_BYTES);
}

/** The partition of a row of INSTALLED_RANGE. */
export function partitionOfRow(row: Buffer): number {
  return row.readUInt16BE(1);
}

export function stateKey(partition: number): Buffer {
  return allocate(KIND_STATE, partition, PREFIX_BYTES);
}

export function logKey(partition: number, seq: number): Buffer {
  const row = allocate(KIND_LOG, partition, LOG_KEY_BYTES);
  writeU64(row, seq, PREFIX_BYTES);
  return row;
}

export function seqOfLog(row: Buffer): number {
  return readU64(row, PREFIX_BYTES);
}

/** The log entries `from` to `through`, both included. */
export function logRange(partition: number, from: number, through: number): KeyRange {
  return { gte: logKey(partition, from), lt: logKey(partition, through + 1) };
}

/** REQUIRES: 1 to KEY_BYTES_MAX bytes; the edges have refused everything else. */
export function dataKey(partition: number, key: Buffer): Buffer {
  invariant(key.length >= 1 && key.length <= KEY_BYTES_MAX, 'a key has 1 to 1024 bytes', {
    length: key.length,
  });
  const row = allocate(KIND_DATA, partition, PREFIX_BYTES + key.length);
  key.copy(row, PREFIX_BYTES);
  return row;
}

/** The key inside a data row's key: a view. */
export function keyOfData(row: Buffer): Buffer {
  return row.subarray(PREFIX_BYTES);
}

/** The whole data range of a partition. */
export function dataRange(partition: number): KeyRange {
  return rangeOfKind(KIND_DATA, partition);
}

function rangeOfKind(kind: number, partition: number): KeyRange {
  const gte = allocate(kind, partition, PREFIX_BYTES);
  return { gte, lt: after(gte) };
}

/** What a snapshot of a partition holds: its data, its expiry index, and its finished requests. */
export function contentRanges(partition: number): KeyRange[] {
  return [KIND_DATA, KIND_REQUEST, KIND_REQUEST_AGE, KIND_EXPIRY].map((kind) => rangeOfKind(kind, partition));
}

/** Everything of a partition but the rows that say what it is: content and log. */
export function replicaRanges(partition: number): KeyRange[] {
  return [rangeOfKind(KIND_LOG, partition), ...contentRanges(partition)];
}

/** What kind of content a row is by its key, or undefined if it is none of this partition, or too short or too long. */
export function contentKindOf(
  row: Buffer,
  partition: number,
): 'data' | 'request' | 'request-age' | 'expiry' | undefined {
  const { length } = row;
  if (length < PREFIX_BYTES || row.readUInt16BE(1) !== partition) return undefined;
  switch (row[0]) {
    case KIND_DATA:
      return length > PREFIX_BYTES && length <= PREFIX_BYTES + KEY_BYTES_MAX ? 'data' : undefined;
    case KIND_REQUEST:
      return length === REQUEST_KEY_BYTES ? 'request' : undefined;
    case KIND_REQUEST_AGE:
      return length === REQUEST_AGE_KEY_BYTES ? 'request-age' : undefined;
    case KIND_EXPIRY:
      return length > EXPIRY_PREFIX_BYTES && length <= EXPIRY_PREFIX_BYTES + KEY_BYTES_MAX
        ? 'expiry'
        : undefined;
    default:
      return undefined;
  }
}

/** @param requestId 32 hex digits */
export function requestKey(partition: number, requestId: string): Buffer {
  const row = allocate(KIND_REQUEST, partition, REQUEST_KEY_BYTES);
  writeRequestId(row, requestId, PREFIX_BYTES);
  return row;
}

/** Sorts by age: the times of a partition's entries never fall. */
export function requestAgeKey(partition: number, { timestampMs, seq, requestId }: RequestAge): Buffer {
  const row = allocate(KIND_REQUEST_AGE, partition, REQUEST_AGE_KEY_BYTES);
  writeU64(row, timestampMs, PREFIX_BYTES);
  writeU64(row, seq, PREFIX_BYTES + 8);
  writeRequestId(row, requestId, REQUEST_AGE_PREFIX_BYTES);
  return row;
}

export interface RequestAge {
  readonly timestampMs: number;
  /** Of the entry. */
  readonly seq: number;
  /** 32 hex digits. */
  readonly requestId: string;
}

export function parseRequestAgeKey(row: Buffer): RequestAge {
  return {
    timestampMs: readU64(row, PREFIX_BYTES),
    seq: readU64(row, PREFIX_BYTES + 8),
    requestId: row.toString('hex', REQUEST_AGE_PREFIX_BYTES),
  };
}

/** The ages of all finished requests of a partition, oldest first. */
export function requestAgeRange(partition: number): KeyRange {
  return rangeOfKind(KIND_REQUEST_AGE, partition);
}

function writeRequestId(row: Buffer, requestId: string, at: number): void {
  const written = row.write(requestId, at, 'hex');
  invariant(
    written === REQUEST_ID_BYTES && requestId.length === 2 * written,
    'a request id is 32 hex digits',
    {
      requestId,
    },
  );
}

export function expiryKey(partition: number, expireAtMs: number, key: Buffer): Buffer {
  const row = allocate(KIND_EXPIRY, partition, EXPIRY_PREFIX_BYTES + key.length);
  writeU64(row, expireAtMs, PREFIX_BYTES);
  key.copy(row, EXPIRY_PREFIX_BYTES);
  return row;
}

export function parseExpiryKey(row: Buffer): { expireAtMs: number; key: Buffer } {
  return { expireAtMs: readU64(row, PREFIX_BYTES), key: row.subarray(EXPIRY_PREFIX_BYTES) };
}

/** The index rows that are due: expiry at or before `nowMs`. */
export function expiredRange(partition: number, nowMs: number): KeyRange {
  const lt = allocate(KIND_EXPIRY, partition, EXPIRY_PREFIX_BYTES);
  writeU64(lt, nowMs + 1, PREFIX_BYTES);
  return { gte: allocate(KIND_EXPIRY, partition, PREFIX_BYTES), lt };
}

export function metadataKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([KIND_METADATA]), Buffer.from(name)]);
}

export function metadataName(row: Buffer): string {
  return row.toString('utf8', 1);
}

/** All metadata rows whose name begins with `prefix`. */
export function metadataRange(prefix: string): KeyRange {
  return { gte: metadataKey(prefix), lt: after(metadataKey(prefix)) };
}

/** The first key that does not begin with `prefix`. REQUIRES: some byte of `prefix` is not 0xff (the kind never is). */
export function after(prefix: Buffer): Buffer {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1;
  invariant(end > 0, 'a prefix has an end', { prefix: prefix.toString('hex') });
  const next = Buffer.from(prefix.subarray(0, end));
  next[end - 1] = (next[end - 1] ?? 0) + 1;
  return next;
}
