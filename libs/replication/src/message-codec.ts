/**
 * Messages and beacons as bytes.
 *
 *     0   1  format, 1
 *     1   1  kind                                             on the wire, never renumber
 *     2   2  partition   } messages between replicas only: kinds below 32
 *     4   8  incarnation } of the sender; its worker and store are those of the connection
 *     …      fields in the order of the functions below, all numbers big endian
 *
 * Decoding is bounded by what is there: no length is believed before it is compared with the bytes left. Whatever
 * arrives, the answer is a message or undefined, never an exception; what is decoded has views into the bytes.
 */
import { unreachable } from '@diststore/base';
import { isIncarnation, isPartitionId } from '@diststore/cluster';
import type { Incarnation, PartitionId } from '@diststore/cluster';

import type { Beacon, BeaconAnswer } from './beacon.js';
import { ByteReader, ByteWriter, Malformed } from './byte-codec.js';
import { readConfiguration, readVer, writeConfiguration, writeVer } from './configuration-codec.js';
import type { AppliedState } from './durable-state.js';
import { readEntry } from './entry.js';
import {
  BEACON_ITEMS_MAX,
  MESSAGE_BYTES_MAX,
  PREPARE_ENTRIES_MAX,
  SEGMENTS_MAX,
  SNAPSHOT_CHUNK_ROWS_MAX,
} from './limits.js';
import type { LogShape, Message, SnapshotRow } from './message.js';

export interface Envelope {
  readonly partition: PartitionId;
  /** Of the sending replica. */
  readonly incarnation: Incarnation;
  readonly message: Message;
}

const FORMAT = 1;
const KIND = {
  install: 1,
  installed: 2,
  prepare: 3,
  prepared: 4,
  missing: 5,
  uninstalled: 6,
  configuration: 7,
  leave: 8,
  confirm: 9,
  confirmed: 10,
  snapshotBegin: 11,
  snapshotChunk: 12,
  snapshotEnd: 13,
  snapshotAck: 14,
} as const satisfies Record<Message['type'], number>;
const KIND_BEACON = 32;
const KIND_BEACON_ANSWER = 33;

const TYPES = new Map<number, Message['type']>(
  Object.entries(KIND).map(([type, kind]) => [kind, type as Message['type']]),
);

/** Of a version on the wire. */
const VER_BYTES = 16;
/** An entry with its length, no operations and no request. */
const ENTRY_BYTES_MIN = 4 + 66;
const BEACON_ITEM_BYTES = 2 + VER_BYTES + 8 + 8;
const ACCEPTED_BYTES = 2 + VER_BYTES + 8;

const scratch = new ByteWriter(64 * 1024);

export function encodeMessage({ partition, incarnation, message }: Envelope): Uint8Array {
  const out = scratch.reset();
  out.u8(FORMAT).u8(KIND[message.type]).u16(partition).hex(incarnation);
  writeBody(out, message);
  return out.finish();
}

/** Undefined if the bytes are no message of this version. */
export function decodeMessage(bytes: Uint8Array): Envelope | undefined {
  return orUndefined(() => {
    const input = new ByteReader(bytes);
    const type = input.u8() === FORMAT ? TYPES.get(input.u8()) : undefined;
    if (type === undefined) throw new Malformed('of unknown format or kind');
    const partition = input.u16();
    const incarnation = input.hex(8);
    if (!isPartitionId(partition) || !isIncarnation(incarnation)) throw new Malformed('an impossible sender');
    const message = readBody(input, type);
    input.end();
    return { partition, incarnation, message };
  });
}

function writeBody(out: ByteWriter, message: Message): void {
  switch (message.type) {
    case 'install':
      writeConfiguration(out, message.configuration);
      writeShape(out, message.log);
      out.u64(message.committed).f64(message.leaseMs).f64(message.sentAtMs).u64(message.boot);
      return;
    case 'installed':
      writeVer(out, message.ver);
      out
        .u8(message.match === null ? 0 : 1)
        .u64(message.match ?? 0)
        .u64(message.snapshotId);
      out.f64(message.sentAtMs).u64(message.boot);
      return;
    case 'prepare':
      writeVer(out, message.ver);
      out.u64(message.committed).u32(message.entries.length);
      for (const { bytes } of message.entries) out.block(bytes);
      return;
    case 'prepared':
      writeVer(out, message.ver);
      out.u64(message.durable);
      return;
    case 'missing':
      writeVer(out, message.ver);
      out.u64(message.last);
      return;
    case 'uninstalled':
    case 'leave':
      writeVer(out, message.ver);
      return;
    case 'configuration':
      writeConfiguration(out, message.configuration);
      return;
    case 'confirm':
      writeVer(out, message.ver);
      out.u64(message.round);
      return;
    case 'confirmed':
      writeVer(out, message.ver);
      out.u64(message.round).u8(message.ok ? 1 : 0);
      return;
    case 'snapshotBegin':
      writeConfiguration(out, message.configuration);
      out.u64(message.snapshotId);
      writeApplied(out, message.state);
      return;
    case 'snapshotChunk':
      writeVer(out, message.ver);
      out.u64(message.snapshotId).u32(message.index).u32(message.rows.length);
      for (const { key, value } of message.rows) out.block(key).block(value);
      return;
    case 'snapshotEnd':
      writeVer(out, message.ver);
      out.u64(message.snapshotId).u32(message.chunks);
      return;
    case 'snapshotAck':
      writeVer(out, message.ver);
      out.u64(message.snapshotId).u32(message.index);
      return;
    default:
      unreachable(message);
  }
}

function readBody(input: ByteReader, type: Message['type']): Message {
  switch (type) {
    case 'install':
      return {
        type,
        configuration: readConfiguration(input),
        log: readShape(input),
        committed: input.u64(),
        leaseMs: input.f64(),
        sentAtMs: input.f64(),
        boot: input.u64(),
      };
    case 'installed': {
      const ver = readVer(input);
      const matches = input.bool();
      const match = input.u64();
      const snapshotId = input.u64();
      return {
        type,
        ver,
        match: matches ? match : null,
        snapshotId,
        sentAtMs: input.f64(),
        boot: input.u64(),
      };
    }
    case 'prepare': {
      const ver = readVer(input);
      const committed = input.u64();
      const count = input.count(PREPARE_ENTRIES_MAX, ENTRY_BYTES_MIN);
      const entries = Array.from({ length: count }, () => readEntry(input.block(MESSAGE_BYTES_MAX)));
      return { type, ver, committed, entries };
    }
    case 'prepared':
      return { type, ver: readVer(input), durable: input.u64() };
    case 'missing':
      return { type, ver: readVer(input), last: input.u64() };
    case 'uninstalled':
    case 'leave':
      return { type, ver: readVer(input) };
    case 'configuration':
      return { type, configuration: readConfiguration(input) };
    case 'confirm':
      return { type, ver: readVer(input), round: input.u64() };
    case 'confirmed':
      return { type, ver: readVer(input), round: input.u64(), ok: input.bool() };
    case 'snapshotBegin':
      return {
        type,
        configuration: readConfiguration(input),
        snapshotId: input.u64(),
        state: readApplied(input),
      };
    case 'snapshotChunk':
      return {
        type,
        ver: readVer(input),
        snapshotId: input.u64(),
        index: input.u32(),
        rows: readRows(input),
      };
    case 'snapshotEnd':
      return { type, ver: readVer(input), snapshotId: input.u64(), chunks: input.u32() };
    case 'snapshotAck':
      return { type, ver: readVer(input), snapshotId: input.u64(), index: input.u32() };
    default:
      return unreachable(type);
  }
}

function readRows(input: ByteReader): SnapshotRow[] {
  const count = input.count(SNAPSHOT_CHUNK_ROWS_MAX, 8);
  return Array.from({ length: count }, () => ({
    key: input.block(MESSAGE_BYTES_MAX),
    value: input.block(MESSAGE_BYTES_MAX),
  }));
}

function writeShape(out: ByteWriter, { base, baseVer, last, segments }: LogShape): void {
  out.u64(base).u64(baseVer.gen).u64(baseVer.epoch).u64(last).u32(segments.length);
  for (const { ver, firstSeq } of segments) out.u64(ver.gen).u64(ver.epoch).u64(firstSeq);
}

function readShape(input: ByteReader): LogShape {
  const base = input.u64();
  const baseVer = { gen: input.u64(), epoch: input.u64() };
  const last = input.u64();
  const count = input.count(SEGMENTS_MAX, VER_BYTES + 8);
  const segments = Array.from({ length: count }, () => ({
    ver: { gen: input.u64(), epoch: input.u64() },
    firstSeq: input.u64(),
  }));
  if (last < base || last > base !== segments.length > 0) throw new Malformed('a log of impossible shape');
  segments.forEach(({ firstSeq }, i) => {
    const before = segments[i - 1]?.firstSeq ?? base;
    if (firstSeq <= before || firstSeq > last || (i === 0 && firstSeq !== base + 1))
      throw new Malformed('a log of impossible shape');
  });
  return { base, baseVer, last, segments };
}

function writeApplied(out: ByteWriter, state: AppliedState): void {
  out.u64(state.applied).u64(state.base).u64(state.baseVer.gen).u64(state.baseVer.epoch).chain(state.chain);
  out.u64(state.lastTimestampMs).u64(state.clearedThrough).u64(state.counts.keys).u64(state.counts.bytes);
}

function readApplied(input: ByteReader): AppliedState {
  const state = {
    applied: input.u64(),
    base: input.u64(),
    baseVer: { gen: input.u64(), epoch: input.u64() },
    chain: input.chain(),
    lastTimestampMs: input.u64(),
    clearedThrough: input.u64(),
    counts: { keys: input.u64(), bytes: input.u64() },
  };
  if (state.base > state.applied) throw new Malformed('a snapshot of impossible shape');
  return state;
}

export function encodeBeacon({ boot, sentAtMs, leaseMs, items }: Beacon): Uint8Array {
  const out = scratch.reset();
  out.u8(FORMAT).u8(KIND_BEACON).u64(boot).f64(sentAtMs).f64(leaseMs).u32(items.length);
  for (const { partition, ver, committed, chain } of items) {
    out.u16(partition);
    writeVer(out, ver);
    out.u64(committed).chain(chain);
  }
  return out.finish();
}

export function encodeBeaconAnswer({ boot, sentAtMs, accepted, rejected }: BeaconAnswer): Uint8Array {
  const out = scratch.reset();
  out.u8(FORMAT).u8(KIND_BEACON_ANSWER).u64(boot).f64(sentAtMs).u32(accepted.length).u32(rejected.length);
  for (const { partition, ver, incarnation } of accepted) {
    out.u16(partition);
    writeVer(out, ver);
    out.hex(incarnation);
  }
  for (const { partition, configuration } of rejected) {
    out.u16(partition);
    writeConfiguration(out, configuration);
  }
  return out.finish();
}

/** Undefined if the bytes are no beacon of this version. */
export function decodeBeacon(bytes: Uint8Array): Beacon | undefined {
  return orUndefined(() => {
    const input = openFrame(bytes, KIND_BEACON);
    const boot = input.u64();
    const sentAtMs = input.f64();
    const leaseMs = input.f64();
    const count = input.count(BEACON_ITEMS_MAX, BEACON_ITEM_BYTES);
    const items = Array.from({ length: count }, () => ({
      partition: readPartition(input),
      ver: readVer(input),
      committed: input.u64(),
      chain: input.chain(),
    }));
    input.end();
    return { boot, sentAtMs, leaseMs, items };
  });
}

/** Undefined if the bytes are no answer to a beacon of this version. */
export function decodeBeaconAnswer(bytes: Uint8Array): BeaconAnswer | undefined {
  return orUndefined(() => {
    const input = openFrame(bytes, KIND_BEACON_ANSWER);
    const boot = input.u64();
    const sentAtMs = input.f64();
    const acceptedCount = input.u32();
    const rejectedCount = input.u32();
    if (acceptedCount + rejectedCount > BEACON_ITEMS_MAX || acceptedCount * ACCEPTED_BYTES > input.left)
      throw new Malformed('a list of partitions does not fit');
    const accepted = Array.from({ length: acceptedCount }, () => ({
      partition: readPartition(input),
      ver: readVer(input),
      incarnation: input.hex(8) as Incarnation,
    }));
    if (rejectedCount * VER_BYTES > input.left) throw new Malformed('a list of configurations does not fit');
    const rejected = Array.from({ length: rejectedCount }, () => ({
      partition: readPartition(input),
      configuration: readConfiguration(input),
    }));
    input.end();
    return { boot, sentAtMs, accepted, rejected };
  });
}

function openFrame(bytes: Uint8Array, kind: number): ByteReader {
  const input = new ByteReader(bytes);
  if (input.u8() !== FORMAT || input.u8() !== kind) throw new Malformed('of unknown format or kind');
  return input;
}

function readPartition(input: ByteReader): PartitionId {
  const partition = input.u16();
  if (!isPartitionId(partition)) throw new Malformed('an impossible partition');
  return partition;
}

function orUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}
