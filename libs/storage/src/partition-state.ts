/**
 * The state row of a partition: how far it is applied, where its log begins, and its counters. Written as a trailer:
 * once per round.
 *
 *     offset  size  field
 *     0       1     format, 1                                  persisted, never renumber
 *     1       1     flags: bit 0, cleared rows are left to remove
 *     2       8     applied: sequence number of the last write in the data
 *     10      8     base: sequence number before the first log entry kept; equals `applied` while none is
 *     18      8     generation  } of the configuration in which the entry at `base` was written;
 *     26      8     epoch       } 0 for the entry before the first
 *     34      8     chain: hash of the log up to `applied`, its last entry included; 0 for the empty log
 *     42      8     last timestamp given out, milliseconds since the Unix epoch
 *     50      8     cleared through: rows of this version or below are deleted, though perhaps still stored
 *     58      8     number of keys (rows not cleared; expired ones count until they are swept)
 *     66      8     bytes of their keys and payloads
 *     74      4     CRC-32 (as in gzip) of bytes 0..73
 */
import { crc32 } from 'node:zlib';

import { StoreError } from '@diststore/base';

import { readU64, writeU64 } from './binary.js';
import type { Hash64 } from './request-row.js';

const FORMAT = 1;
const FLAG_CLEAR_PENDING = 1;
const CRC_OFFSET = 74;
const STATE_BYTES = 78;

/** Where the log of a partition stands. */
export interface LogPosition {
  /** The entry before the first one kept. */
  readonly base: number;
  readonly baseVer: { readonly gen: number; readonly epoch: number };
  /** At `applied`. */
  readonly chain: Hash64;
}

export interface PartitionState {
  readonly applied: number;
  readonly log: LogPosition;
  readonly lastTimestampMs: number;
  readonly clearedThrough: number;
  readonly clearPending: boolean;
  readonly keys: number;
  readonly bytes: number;
}

export function encodeState(state: PartitionState): Buffer {
  const { base, baseVer, chain } = state.log;
  // Every byte of it is written below.
  const bytes = Buffer.allocUnsafe(STATE_BYTES);
  bytes[0] = FORMAT;
  bytes[1] = state.clearPending ? FLAG_CLEAR_PENDING : 0;
  writeU64(bytes, state.applied, 2);
  writeU64(bytes, base, 10);
  writeU64(bytes, baseVer.gen, 18);
  writeU64(bytes, baseVer.epoch, 26);
  bytes.writeUInt32BE(chain.hi, 34);
  bytes.writeUInt32BE(chain.lo, 38);
  writeU64(bytes, state.lastTimestampMs, 42);
  writeU64(bytes, state.clearedThrough, 50);
  writeU64(bytes, state.keys, 58);
  writeU64(bytes, state.bytes, 66);
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
    log: {
      base: readU64(bytes, 10),
      baseVer: { gen: readU64(bytes, 18), epoch: readU64(bytes, 26) },
      chain: { hi: bytes.readUInt32BE(34), lo: bytes.readUInt32BE(38) },
    },
    lastTimestampMs: readU64(bytes, 42),
    clearedThrough: readU64(bytes, 50),
    clearPending: ((bytes[1] ?? 0) & FLAG_CLEAR_PENDING) !== 0,
    keys: readU64(bytes, 58),
    bytes: readU64(bytes, 66),
  };
}
