/**
 * The result of a finished request, kept so that a repetition is answered and not done again. The value of a row of
 * kind 05, sealed (sealed-row.ts); what is sealed is:
 *
 *     offset  size  field
 *     0       8     seq: the log entry that did it                persisted, never renumber
 *     8       8     fingerprint of what was asked
 *     16      …     the result as its primary decided it
 */
import { StoreError } from '@diststore/base';

import { readU64, writeU64 } from './binary.js';
import { openRow, sealRow } from './sealed-row.js';

const RESULT_OFFSET = 16;

/** 64 bits in two halves. */
export interface Hash64 {
  readonly hi: number;
  readonly lo: number;
}

export interface FinishedRequestRow {
  readonly seq: number;
  readonly fingerprint: Hash64;
  readonly result: Uint8Array;
}

/** @param key of the row: the checksum covers it. */
export function encodeFinished(key: Buffer, { seq, fingerprint, result }: FinishedRequestRow): Buffer {
  const body = Buffer.allocUnsafe(RESULT_OFFSET + result.length);
  writeU64(body, seq, 0);
  body.writeUInt32BE(fingerprint.hi, 8);
  body.writeUInt32BE(fingerprint.lo, 12);
  body.set(result, RESULT_OFFSET);
  return sealRow(key, body);
}

/** @throws StoreError store-format, store-corrupt: whether the request was done is not known from this row. */
export function decodeFinished(key: Buffer, bytes: Buffer): FinishedRequestRow {
  const body = openRow(key, bytes);
  if (body.length < RESULT_OFFSET) {
    throw new StoreError(
      'store-corrupt',
      `Row ${key.toString('hex')} is damaged. Restore a backup or a replica.`,
    );
  }
  return {
    seq: readU64(body, 0),
    fingerprint: { hi: body.readUInt32BE(8), lo: body.readUInt32BE(12) },
    result: body.subarray(RESULT_OFFSET),
  };
}
