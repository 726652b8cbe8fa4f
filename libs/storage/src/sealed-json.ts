/**
 * JSON with a checksum, for rows that are written rarely and read at the start: configurations and the like.
 *
 *     offset  size  field
 *     0       1     format, 1   persisted, never renumber
 *     1       4     CRC-32 of the key and the rest
 *     5       …     JSON
 *
 * The checksum covers the key, so that a row can never be taken for another's.
 */
import { crc32 } from 'node:zlib';

import { StoreError } from '@diststore/base';

const FORMAT = 1;
const BODY_OFFSET = 5;

export function sealJson(key: Buffer, value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value));
  const bytes = Buffer.alloc(BODY_OFFSET + body.length);
  bytes[0] = FORMAT;
  bytes.writeUInt32BE(crc32(body, crc32(key)), 1);
  body.copy(bytes, BODY_OFFSET);
  return bytes;
}

/** @throws StoreError store-format: written by another version; store-corrupt: the checksum does not match. */
export function openJson(key: Buffer, bytes: Buffer): unknown {
  const row = key.toString('hex');
  if (bytes[0] !== FORMAT) {
    throw new StoreError(
      'store-format',
      `Row ${row} has format ${bytes[0] ?? 0}; this version reads ${FORMAT}.`,
    );
  }
  const body = bytes.subarray(BODY_OFFSET);
  if (bytes.length < BODY_OFFSET || bytes.readUInt32BE(1) !== crc32(body, crc32(key))) {
    throw new StoreError('store-corrupt', `Row ${row} is damaged. Restore a backup or a replica.`);
  }
  return JSON.parse(body.toString());
}
