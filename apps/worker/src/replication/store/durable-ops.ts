/**
 * What a replica wants durable (`DurableWrite`), as operations on rows. Pure: it reads nothing, because entries say
 * what they replace.
 *
 * A put or delete whose `oldExpireAtMs` is 0 although a row of the expiry index exists (that of a record which a clear
 * had hidden) leaves the index row behind. It means nothing by then, and the sweep removes it when its time comes.
 */
import { unreachable } from '@diststore/base';
import { encodeLogRow } from '@diststore/replication';
import type { AppliedState, DurableWrite, Entry, Op, SnapshotRow } from '@diststore/replication';
import {
  dataKey,
  encodeFinished,
  encodeRecord,
  expiryKey,
  logKey,
  requestAgeKey,
  requestKey,
} from '@diststore/storage';
import type { WriteOp } from '@diststore/storage';

import { TRIM_ROWS_MAX } from './limits.js';
import { installedOp } from './state-row.js';

const NO_VALUE = Buffer.alloc(0);

/** Everything but `erase`, which needs to look at what is there. */
export type PlainWrite = Exclude<DurableWrite, { type: 'erase' }>;

/** The newest row 02 that the write asks for, or undefined if it leaves it as it is. */
export function stateOf(write: PlainWrite): AppliedState | undefined {
  return write.type === 'apply' || write.type === 'trim' || write.type === 'state' ? write.state : undefined;
}

/** Adds the operations of one write, row 02 left out. */
export function pushOps(ops: WriteOp[], partition: number, write: PlainWrite): void {
  switch (write.type) {
    case 'installed':
      ops.push(installedOp(partition, write.state));
      return;
    case 'append':
      for (const entry of write.entries)
        ops.push({ type: 'put', key: logKey(partition, entry.seq), value: asBuffer(encodeLogRow(entry)) });
      return;
    case 'truncate':
      pushLogRemoval(ops, partition, write.after + 1, write.through);
      return;
    case 'trim':
      // The oldest rows stay for the sweep: below the base nobody looks at them.
      pushLogRemoval(ops, partition, Math.max(write.after, write.through - TRIM_ROWS_MAX) + 1, write.through);
      return;
    case 'apply':
      for (const entry of write.entries) pushEntry(ops, partition, entry);
      return;
    case 'rows':
      for (const { key, value } of write.rows)
        ops.push({ type: 'put', key: asBuffer(key), value: asBuffer(value) });
      return;
    case 'state':
      return;
    default:
      return unreachable(write);
  }
}

function pushLogRemoval(ops: WriteOp[], partition: number, from: number, through: number): void {
  for (let seq = from; seq <= through; seq += 1) ops.push({ type: 'del', key: logKey(partition, seq) });
}

function pushEntry(ops: WriteOp[], partition: number, entry: Entry): void {
  const { seq, timestampMs, request, result } = entry;
  for (const op of entry.ops) pushData(ops, partition, seq, op);
  if (request === undefined) return;
  const key = requestKey(partition, request.id);
  ops.push({
    type: 'put',
    key,
    value: encodeFinished(key, { seq, fingerprint: request.fingerprint, result }),
  });
  const age = requestAgeKey(partition, { timestampMs, seq, requestId: request.id });
  ops.push({ type: 'put', key: age, value: NO_VALUE });
}

function pushData(ops: WriteOp[], partition: number, version: number, op: Op): void {
  // A clear is a matter of row 02: everything of its version or below is deleted for whoever looks.
  if (op.type === 'clear') return;
  const key = asBuffer(op.key);
  if (op.oldExpireAtMs !== 0) ops.push({ type: 'del', key: expiryKey(partition, op.oldExpireAtMs, key) });
  if (op.type === 'del') {
    ops.push({ type: 'del', key: dataKey(partition, key) });
    return;
  }
  const { expireAtMs, contentType } = op;
  if (expireAtMs !== 0)
    ops.push({ type: 'put', key: expiryKey(partition, expireAtMs, key), value: NO_VALUE });
  const value = encodeRecord(key, { version, expireAtMs, contentType, payload: asBuffer(op.payload) });
  ops.push({ type: 'put', key: dataKey(partition, key), value });
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: SnapshotRow['key']): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
