/**
 * The rows of the LevelDB provider, all of kind 10 of the key layout (libs/storage/key-layout.ts):
 *
 *     name                value
 *     <name>              a record
 *     \0counters          how far the store is; rewritten with every commit
 *     \0lease/<id>        a lease: its TTL. When it ends is not kept; a start begins it anew. The id has 16 digits,
 *                         so that leases are read in the order in which they were granted
 *
 * No record's name holds a zero byte, so the store's own rows never meet one. All numbers are big endian.
 *
 *     record   offset  size  field
 *              0       1     format, 1                                 persisted, never renumber
 *              1       8     create revision
 *              9       8     mod revision
 *              17      8     lease id; 0 = none
 *              25      4     CRC-32 (as in gzip) of the row's key, bytes 0..24 and bytes 29..end
 *              29      …     value, UTF-8, to the end
 *
 *     counters 0       1     format, 1                                 persisted, never renumber
 *              1       8     revision
 *              9       8     number of records, so that a lost one is noticed
 *              17      8     last lease id given out
 *              25      4     CRC-32 of the row's key and bytes 0..24
 *
 *     lease    0       1     format, 1                                 persisted, never renumber
 *              1       8     time to live, milliseconds
 *              9       4     CRC-32 of the row's key and bytes 0..8
 *
 * One shape: a head of whole numbers, the checksum, a body. The checksum covers the key, so that a row is never taken
 * for another's. An unknown format is refused before anything else is believed.
 */
import { crc32 } from 'node:zlib';

import { invariant, StoreError } from '@diststore/base';
import { metadataKey, metadataName } from '@diststore/storage';

import type { LeaseId, MetadataRecord } from './metadata-store.js';

const FORMAT = 1;
const NUMBER_BYTES = 8;
const CRC_BYTES = 4;
const NO_LEASE = 0;

const COUNTERS_NAME = '\0counters';
const LEASE_PREFIX = '\0lease/';
/** As many as 2^53 has. */
const LEASE_DIGITS = 16;

export interface Counters {
  readonly revision: number;
  readonly records: number;
  /** The number of the last lease granted; ids rise, so that none is given out twice. */
  readonly lastLease: number;
}

/** What a row of the store is, decoded. */
export type MetadataRow =
  | { readonly kind: 'record'; readonly record: MetadataRecord }
  | { readonly kind: 'counters'; readonly counters: Counters }
  | { readonly kind: 'lease'; readonly id: LeaseId; readonly ttlMs: number };

export function leaseId(number: number): LeaseId {
  invariant(Number.isSafeInteger(number) && number > 0, 'a lease number is a whole number from 1', {
    number,
  });
  return String(number) as LeaseId;
}

export function recordKey(name: string): Buffer {
  return metadataKey(name);
}

export function leaseKey(id: LeaseId): Buffer {
  return metadataKey(LEASE_PREFIX + id.padStart(LEASE_DIGITS, '0'));
}

export const COUNTERS_KEY: Buffer = metadataKey(COUNTERS_NAME);

export function encodeRecord(record: MetadataRecord): Buffer {
  const { name, value, createRevision, modRevision, lease } = record;
  const numbers = [createRevision, modRevision, lease === undefined ? NO_LEASE : Number(lease)];
  return encodeRow(recordKey(name), numbers, Buffer.from(value));
}

export function encodeCounters({ revision, records, lastLease }: Counters): Buffer {
  return encodeRow(COUNTERS_KEY, [revision, records, lastLease]);
}

export function encodeLease(id: LeaseId, ttlMs: number): Buffer {
  return encodeRow(leaseKey(id), [ttlMs]);
}

/**
 * @throws StoreError store-format: another version or program wrote the row.
 * @throws StoreError store-corrupt: the row is damaged.
 */
export function decodeRow(key: Buffer, bytes: Buffer): MetadataRow {
  const name = metadataName(key);
  if (name === COUNTERS_NAME) {
    const { numbers } = decode(key, bytes, 3, false);
    const [revision = 0, records = 0, lastLease = 0] = numbers;
    return { kind: 'counters', counters: { revision, records, lastLease } };
  }
  if (name.startsWith(LEASE_PREFIX)) {
    const [ttlMs = 0] = decode(key, bytes, 1, false).numbers;
    return { kind: 'lease', id: leaseId(Number(name.slice(LEASE_PREFIX.length))), ttlMs };
  }
  const { numbers, body } = decode(key, bytes, 3, true);
  const [createRevision = 0, modRevision = 0, lease = NO_LEASE] = numbers;
  return {
    kind: 'record',
    record: {
      name,
      value: body.toString(),
      createRevision,
      modRevision,
      lease: lease === NO_LEASE ? undefined : leaseId(lease),
    },
  };
}

function encodeRow(key: Buffer, numbers: readonly number[], body = Buffer.alloc(0)): Buffer {
  const headBytes = 1 + numbers.length * NUMBER_BYTES;
  const bytes = Buffer.allocUnsafe(headBytes + CRC_BYTES + body.length);
  bytes[0] = FORMAT;
  numbers.forEach((number, i) => {
    invariant(Number.isSafeInteger(number) && number >= 0, 'a stored number is a safe integer', { number });
    bytes.writeBigUInt64BE(BigInt(number), 1 + i * NUMBER_BYTES);
  });
  body.copy(bytes, headBytes + CRC_BYTES);
  bytes.writeUInt32BE(checksum(key, bytes, headBytes), headBytes);
  return bytes;
}

function decode(
  key: Buffer,
  bytes: Buffer,
  count: number,
  hasBody: boolean,
): { numbers: number[]; body: Buffer } {
  if (bytes[0] !== FORMAT) {
    const found = bytes[0] === undefined ? 'no format' : `format ${bytes[0]}`;
    throw new StoreError(
      'store-format',
      `The metadata row ${shown(key)} has ${found}; this version reads ${FORMAT}.`,
    );
  }
  const headBytes = 1 + count * NUMBER_BYTES;
  const bodyAt = headBytes + CRC_BYTES;
  if (hasBody ? bytes.length < bodyAt : bytes.length !== bodyAt)
    throw corruptRow(key, `it has ${bytes.length} bytes`);
  if (bytes.readUInt32BE(headBytes) !== checksum(key, bytes, headBytes)) {
    throw corruptRow(key, 'its checksum does not match');
  }
  const numbers: number[] = [];
  for (let i = 0; i < count; i += 1) numbers.push(Number(bytes.readBigUInt64BE(1 + i * NUMBER_BYTES)));
  return { numbers, body: bytes.subarray(bodyAt) };
}

function checksum(key: Buffer, bytes: Buffer, headBytes: number): number {
  const overHead = crc32(bytes.subarray(0, headBytes), crc32(key));
  return crc32(bytes.subarray(headBytes + CRC_BYTES), overHead);
}

/** The store is damaged: nothing of it can be trusted, since its rows are meant to agree. */
export function corruptRow(key: Buffer, reason: string): StoreError {
  return new StoreError('store-corrupt', `The metadata row ${shown(key)} is damaged: ${reason}.`, {
    facts: { key: key.toString('hex') },
  });
}

function shown(key: Buffer): string {
  return JSON.stringify(metadataName(key));
}
