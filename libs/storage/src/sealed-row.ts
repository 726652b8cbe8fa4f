/**
 * A row with a checksum around bytes whose meaning is somebody else's: configurations, the cluster map, results of
 * requests.
 *
 *     offset  size  field
 *     0       1     format, 1   persisted, never renumber
 *     1       4     CRC-32 (as in gzip) of the row's key and the rest
 *     5       …     the bytes
 *
 * The checksum covers the key, so that a row can never be taken for another's.
 */
import { crc32 } from 'node:zlib';

import { StoreError } from '@diststore/base';

const FORMAT = 1;
const CRC_OFFSET = 1;
const BODY_OFFSET = 5;

/** The value to store under `key`, a buffer of its own. */
export function sealRow(key: Buffer, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(BODY_OFFSET + body.length);
  bytes[0] = FORMAT;
  bytes.set(body, BODY_OFFSET);
  bytes.writeUInt32BE(crc32(bytes.subarray(BODY_OFFSET), crc32(key)), CRC_OFFSET);
  return bytes;
}

/**
 * What was sealed: a view.
 * @throws StoreError store-format: written by another version; store-corrupt: the checksum does not match.
 */
export function openRow(key: Buffer, bytes: Buffer): Buffer {
  const row = key.toString('hex');
  if (bytes[0] !== FORMAT) {
    throw new StoreError(
      'store-format',
      `Row ${row} has format ${bytes[0] ?? 0}; this version reads ${FORMAT}.`,
    );
  }
  const body = bytes.subarray(BODY_OFFSET);
  if (bytes.length < BODY_OFFSET || bytes.readUInt32BE(CRC_OFFSET) !== crc32(body, crc32(key))) {
    throw new StoreError('store-corrupt', `Row ${row} is damaged. Restore a backup or a replica.`);
  }
  return body;
}
