/**
 * Where a listing goes on, as an opaque text: behind this key. It names a position and nothing else, no snapshot and
 * no worker, so it is good for ever, on every worker of the cluster.
 *
 *     offset  size  field                              handed to clients, never renumber
 *     0       1     format, 1
 *     1       16    cluster id
 *     17      n     key, 1 to 1024 bytes
 *     17+n    4     CRC-32 (as in gzip) of all before, big endian
 *
 * The text is base64url without padding. The checksum is against cut and altered texts; it is no secret.
 */
import { crc32 } from 'node:zlib';

import { KEY_BYTES_MAX } from '@diststore/storage';

import { badParameter } from '../query.js';

const FORMAT = 1;
const CLUSTER_ID_BYTES = 16;
const KEY_AT = 1 + CLUSTER_ID_BYTES;
const CRC_BYTES = 4;

/** REQUIRES: `clusterId` is 32 hex digits. */
export function encodeCursor(clusterId: string, key: Buffer): string {
  const bytes = Buffer.concat([
    Buffer.from([FORMAT]),
    Buffer.from(clusterId, 'hex'),
    key,
    Buffer.alloc(CRC_BYTES),
  ]);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -CRC_BYTES)), bytes.length - CRC_BYTES);
  return bytes.toString('base64url');
}

/** The key that the listing goes on behind. @throws StoreError bad-parameter: damaged, or of another cluster. */
export function decodeCursor(clusterId: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  const keyBytes = bytes.length - KEY_AT - CRC_BYTES;
  const isSound =
    keyBytes >= 1 &&
    keyBytes <= KEY_BYTES_MAX &&
    bytes.toString('base64url') === text &&
    bytes.readUInt32BE(bytes.length - CRC_BYTES) === crc32(bytes.subarray(0, -CRC_BYTES));
  if (!isSound) throw badParameter('cursor', 'cursor is not one that a listing has given, or not all of it');
  if (bytes[0] !== FORMAT)
    throw badParameter('cursor', `cursor has the format ${bytes[0] ?? 0}, which this version does not know`);
  const of = bytes.toString('hex', 1, KEY_AT);
  if (of !== clusterId) {
    throw badParameter(
      'cursor',
      `cursor is of another cluster, ${of}; this one is ${clusterId}. Begin the listing anew`,
    );
  }
  return bytes.subarray(KEY_AT, -CRC_BYTES);
}
