/**
 * JSON in a sealed row (sealed-row.ts), for what is written rarely and read at the start: the cluster map and the
 * like.
 */
import { openRow, sealRow } from './sealed-row.js';

export function sealJson(key: Buffer, value: unknown): Buffer {
  return sealRow(key, Buffer.from(JSON.stringify(value)));
}

/** @throws StoreError store-format: written by another version; store-corrupt: the checksum does not match. */
export function openJson(key: Buffer, bytes: Buffer): unknown {
  return JSON.parse(openRow(key, bytes).toString());
}
