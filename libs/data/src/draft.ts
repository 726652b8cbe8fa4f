/**
 * What an operation works on while it is decided: the rows as they were found, and on top of them what it has done so
 * far. What it did becomes log operations and the partition's new counts.
 *
 * Counting: a row counts with its key and payload from its write until it is deleted, cleared or swept. So an expired
 * one counts, though nobody sees it any more, and is replaced like one that is there.
 */
import type { StoreError } from '@diststore/base';
import type { Counts, Op, StoredRecord, WriteView } from '@diststore/replication';

import type { StoredValue } from './result.js';

/** A row as the host found it. Of a damaged one only the key is known; it counts as one that never expires. */
export interface Row extends StoredRecord {
  /** Thrown when the operation needs what cannot be read. */
  readonly damaged?: StoreError | undefined;
}

/** As replication's view; the host may return damaged rows as well. */
export interface DecisionView extends WriteView {
  get(key: Uint8Array): Row | undefined;
}

/** What a write gives a key. */
export interface Contents {
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly payload: Uint8Array;
}

export interface Draft {
  /** The version of what is written now. */
  readonly seq: number;
  readonly clockMs: number;
  /** The row as of now, an expired one too. */
  find(key: Buffer): Row | undefined;
  /** REQUIRES: `row` is what `find` returned. */
  put(key: Buffer, row: Row | undefined, contents: Contents): void;
  /** REQUIRES: `row` is what `find` returned. */
  delete(key: Buffer, row: Row): void;
}

export interface Drafted {
  readonly ops: readonly Op[];
  readonly counts: Counts;
}

/** The row, unless it has expired. */
export function live(row: Row | undefined, clockMs: number): Row | undefined {
  return row === undefined || (row.expireAtMs !== 0 && row.expireAtMs <= clockMs) ? undefined : row;
}

/** @throws StoreError record-corrupt */
export function intact(row: Row): Row {
  if (row.damaged !== undefined) throw row.damaged;
  return row;
}

/** @throws StoreError record-corrupt */
export function payloadOf(row: Row | undefined): Buffer {
  return row === undefined ? NOTHING : bufferOf(intact(row).payload);
}

/** @throws StoreError record-corrupt */
export function valueOf(row: Row): StoredValue {
  const { version, expireAtMs, contentType, payload } = intact(row);
  return { version, expireAtMs, contentType, payload: bufferOf(payload) };
}

const NOTHING = Buffer.alloc(0);

/** The same bytes. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The draft of one operation, which writes each key at most once and looks at none again afterwards. */
export class SingleDraft implements Draft {
  readonly seq: number;
  readonly clockMs: number;
  private readonly ops: Op[] = [];
  private keys = 0;
  private bytes = 0;

  constructor(private readonly view: DecisionView) {
    this.seq = view.seq;
    this.clockMs = view.clockMs;
  }

  find(key: Buffer): Row | undefined {
    return this.view.get(key);
  }

  put(key: Buffer, row: Row | undefined, contents: Contents): void {
    this.ops.push(putOp(key, row, contents));
    this.keys += row === undefined ? 1 : 0;
    this.bytes += sizeOf(key, contents) - sizeOf(key, row);
  }

  delete(key: Buffer, row: Row): void {
    this.ops.push({ type: 'del', key, oldExpireAtMs: row.expireAtMs });
    this.keys -= 1;
    this.bytes -= sizeOf(key, row);
  }

  finish(): Drafted {
    return { ops: this.ops, counts: counted(this.view.counts, this.keys, this.bytes) };
  }
}

interface Draw {
  readonly key: Buffer;
  /** As it was before the transaction. */
  readonly before: Row | undefined;
  now: Row | undefined;
  written: boolean;
}

/** The draft of several operations, each of which sees what those before it did. */
export class TransactionDraft implements Draft {
  readonly seq: number;
  readonly clockMs: number;
  private readonly draws = new Map<string, Draw>();

  constructor(private readonly view: DecisionView) {
    this.seq = view.seq;
    this.clockMs = view.clockMs;
  }

  find(key: Buffer): Row | undefined {
    return this.draw(key).now;
  }

  put(key: Buffer, _row: Row | undefined, { expireAtMs, contentType, payload }: Contents): void {
    this.write(key, { version: this.seq, expireAtMs, contentType, payload });
  }

  delete(key: Buffer): void {
    this.write(key, undefined);
  }

  /**
   * One operation for each key that was written, in the order of their first writes. A key that was created and deleted
   * again is deleted, though it was not there: somebody was told its version, which nothing else may get.
   */
  finish(): Drafted {
    const ops: Op[] = [];
    let keys = 0;
    let bytes = 0;
    for (const { key, before, now, written } of this.draws.values()) {
      if (!written) continue;
      if (now === undefined) ops.push({ type: 'del', key, oldExpireAtMs: before?.expireAtMs ?? 0 });
      else ops.push(putOp(key, before, now));
      keys += (now === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
      bytes += sizeOf(key, now) - sizeOf(key, before);
    }
    return { ops, counts: counted(this.view.counts, keys, bytes) };
  }

  private write(key: Buffer, now: Row | undefined): void {
    const draw = this.draw(key);
    draw.now = now;
    draw.written = true;
  }

  private draw(key: Buffer): Draw {
    const name = key.toString('latin1');
    let draw = this.draws.get(name);
    if (draw === undefined) {
      const row = this.view.get(key);
      draw = { key, before: row, now: row, written: false };
      this.draws.set(name, draw);
    }
    return draw;
  }
}

function putOp(key: Buffer, row: Row | undefined, { expireAtMs, contentType, payload }: Contents): Op {
  return { type: 'put', key, expireAtMs, contentType, payload, oldExpireAtMs: row?.expireAtMs ?? 0 };
}

function sizeOf(key: Buffer, row: Pick<StoredRecord, 'payload' | 'payloadBytes'> | undefined): number {
  return row === undefined ? 0 : key.length + (row.payloadBytes ?? row.payload.length);
}

/** Of a damaged row the size is not known, so counts may be off by what is damaged; they never fall below nothing. */
function counted(before: Counts, keys: number, bytes: number): Counts {
  return { keys: Math.max(0, before.keys + keys), bytes: Math.max(0, before.bytes + bytes) };
}
