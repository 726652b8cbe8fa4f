/**
 * The record: what is stored under a key. One layout for stored rows, log operations and snapshot rows.
 *
 *     offset  size  field
 *     0       1     format, 1                              persisted, never renumber
 *     1       1     flags: bit 0, a content type follows   persisted, never renumber
 *     2       8     version: sequence number of the write in its partition; the key's ETag
 *     10      8     expiry, milliseconds since the Unix epoch; 0 = never
 *     18      4     CRC-32 (as in gzip) of the key, bytes 0..17 and bytes 22..end
 *     22      1     length of the content type, n          only with flag bit 0
 *     23      n     content type, ASCII                    only with flag bit 0
 *     …       …     payload, to the end
 *
 * All numbers are big endian. The checksum covers the key, so that a record can never be taken for another key's.
 */
import { crc32 } from 'node:zlib';

import { invariant, StoreError } from '@diststore/base';

import { readU64, writeU64 } from './binary.js';
import { byteRemainders } from './crc-table.js';
import { CONTENT_TYPE_BYTES_MAX } from './limits.js';

const FORMAT = 1;
const FLAG_CONTENT_TYPE = 1;
const CRC_OFFSET = 18;
const HEADER_BYTES = 22;

export interface StoredRecord {
  readonly version: number;
  /** Milliseconds since the Unix epoch; 0 = never. */
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly payload: Buffer;
}

/**
 * The bytes to store, a buffer of their own.
 * REQUIRES: the content type is ASCII of at most CONTENT_TYPE_BYTES_MAX bytes.
 */
export function encodeRecord(key: Buffer, record: StoredRecord): Buffer {
  const { contentType, payload } = record;
  const typeBytes = contentType === undefined ? 0 : 1 + contentType.length;
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + typeBytes + payload.length);
  bytes[0] = FORMAT;
  bytes[1] = contentType === undefined ? 0 : FLAG_CONTENT_TYPE;
  writeU64(bytes, record.version, 2);
  writeU64(bytes, record.expireAtMs, 10);
  if (contentType !== undefined) {
    invariant(contentType.length <= CONTENT_TYPE_BYTES_MAX, 'a content type fits its length byte', {
      length: contentType.length,
    });
    bytes[HEADER_BYTES] = contentType.length;
    bytes.write(contentType, HEADER_BYTES + 1, 'latin1');
  }
  payload.copy(bytes, HEADER_BYTES + typeBytes);
  bytes.writeUInt32BE(checksum(key, bytes), CRC_OFFSET);
  return bytes;
}

/**
 * The record in `bytes`; its payload is a view into them.
 * @throws StoreError record-corrupt: the checksum, the format or a length is wrong. Nothing of the record is usable.
 */
export function decodeRecord(key: Buffer, bytes: Buffer): StoredRecord {
  if (bytes.length < HEADER_BYTES)
    throw corrupt(key, `it has ${bytes.length} bytes, its header alone has ${HEADER_BYTES}`);
  if (bytes.readUInt32BE(CRC_OFFSET) !== checksum(key, bytes))
    throw corrupt(key, 'its checksum does not match');
  if (bytes[0] !== FORMAT) throw corrupt(key, `its format ${bytes[0] ?? 0} is unknown to this version`);
  let payloadAt = HEADER_BYTES;
  let contentType: string | undefined;
  if (((bytes[1] ?? 0) & FLAG_CONTENT_TYPE) !== 0) {
    payloadAt += 1 + (bytes[HEADER_BYTES] ?? 0);
    if (payloadAt > bytes.length) throw corrupt(key, 'its content type is longer than the record');
    contentType = bytes.toString('latin1', HEADER_BYTES + 1, payloadAt);
  }
  return {
    version: readU64(bytes, 2),
    expireAtMs: readU64(bytes, 10),
    contentType,
    payload: bytes.subarray(payloadAt),
  };
}

function checksum(key: Buffer, bytes: Buffer): number {
  const overKey = crc32Of(key, 0, key.length, 0);
  return crc32Of(bytes, HEADER_BYTES, bytes.length, crc32Of(bytes, 0, CRC_OFFSET, overKey)) >>> 0;
}

/** A view and a call of `crc32` cost as much as this does for so many bytes. */
const FEW_BYTES_MAX = 64;

/** Of gzip's polynomial. Signed: on its way a checksum is a small integer to V8, and no double. */
const REMAINDERS = Int32Array.from(byteRemainders(0xedb88320));

/** As `crc32`, of the bytes from `from` to before `to`, with a sign. */
function crc32Of(bytes: Buffer, from: number, to: number, before: number): number {
  if (to - from > FEW_BYTES_MAX) return crc32(bytes.subarray(from, to), before >>> 0) | 0;
  let rest = ~before;
  for (let i = from; i < to; i += 1)
    rest = (rest >>> 8) ^ (REMAINDERS[(rest ^ (bytes[i] as number)) & 0xff] as number);
  return ~rest;
}

function corrupt(key: Buffer, reason: string): StoreError {
  const shown = key.subarray(0, 64).toString('latin1');
  return new StoreError(
    'record-corrupt',
    `The record of key ${JSON.stringify(shown)} is damaged: ${reason}.`,
    {
      facts: { key64: key.toString('base64url') },
    },
  );
}
