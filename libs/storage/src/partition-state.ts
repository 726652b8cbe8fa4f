/**
 * The state row of a partition: how far it is applied, and its counters. Written as a trailer: once per round.
 *
 *     offset  size  field
 *     0       1     format, 1                                  persisted, never renumber
 *     1       1     flags: bit 0, cleared rows are left to remove
 *     2       8     applied: sequence number of the last write in the data
 *     10      8     base: sequence number before the first log entry kept; equals `applied` without a log
 *     18      8     epoch of `base`; 0 without a log
 *     26      8     running hash of the log at `applied`; 0 without a log
 *     34      8     last timestamp given out, milliseconds since the Unix epoch
 *     42      8     cleared through: rows of this version or below are deleted, though perhaps still stored
 *     50      8     number of keys (rows not cleared; expired ones count until they are swept)
 *     58      8     bytes of their keys and payloads
 *     66      4     CRC-32 of bytes 0..65
 */
import { crc32 } from 'node:zlib';

import { StoreError } from '@diststore/base';

import { readU64, writeU64 } from './binary.js';

const FORMAT = 1;
const FLAG_CLEAR_PENDING = 1;
const CRC_OFFSET = 66;
const STATE_BYTES = 70;

export interface PartitionState {
  readonly applied: number;
  readonly lastTimestampMs: number;
  readonly clearedThrough: number;
  readonly clearPending: boolean;
  readonly keys: number;
  readonly bytes: number;
}

export const EMPTY_STATE: PartitionState = {
  applied: 0,
  lastTimestampMs: 0,
  clearedThrough: 0,
  clearPending: false,
  keys: 0,
  bytes: 0,
};

export function encodeState(state: PartitionState): Buffer {
  const bytes = Buffer.alloc(STATE_BYTES);
  bytes[0] = FORMAT;
  bytes[1] = state.clearPending ? FLAG_CLEAR_PENDING : 0;
  writeU64(bytes, state.applied, 2);
  writeU64(bytes, state.applied, 10);
  writeU64(bytes, state.lastTimestampMs, 34);
  writeU64(bytes, state.clearedThrough, 42);
  writeU64(bytes, state.keys, 50);
  writeU64(bytes, state.bytes, 58);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CRC_OFFSET)), CRC_OFFSET);
  return bytes;
}

/** @throws StoreError store-corrupt: the row is damaged, so the partition's numbering is not known. */
export function decodeState(bytes: Buffer): PartitionState {
  if (
    bytes.length !== STATE_BYTES ||
    bytes.readUInt32BE(CRC_OFFSET) !== crc32(bytes.subarray(0, CRC_OFFSET))
  ) {
    throw new StoreError(
      'store-corrupt',
      'The state row of a partition is damaged. Restore a backup or a replica.',
    );
  }
  if (bytes[0] !== FORMAT) {
    throw new StoreError(
      'store-format',
      `The state row has format ${bytes[0] ?? 0}; this version reads ${FORMAT}.`,
    );
  }
  return {
    applied: readU64(bytes, 2),
    lastTimestampMs: readU64(bytes, 34),
    clearedThrough: readU64(bytes, 42),
    clearPending: ((bytes[1] ?? 0) & FLAG_CLEAR_PENDING) !== 0,
    keys: readU64(bytes, 50),
    bytes: readU64(bytes, 58),
  };
}
