/**
 * One partition with a single replica: it numbers the writes, keeps the counters, and decides what a reader may see.
 *
 *     put/delete/clear ──► sequence (synchronous) ──► storage.write ──► durable ──► acknowledge
 *                              │        ▲
 *                              ▼        │ newest first: pending, then stored
 *                           pending ────┘
 *
 * The idea: deciding and taking a sequence number happen in one synchronous step against the newest *sequenced* state,
 * so no two writes of a key can both believe that they created it. Readers see durable data only.
 *
 * Invariants: sequence numbers are dense and rise in the order in which writes reach the disk; a version is the
 * sequence number of the write; an answer that depends on a write not yet durable waits for it.
 */
import type { Clock } from '@diststore/base';
import { isStoreError, StoreError } from '@diststore/base';
import type { Page, PartitionState, Storage, StoredRecord, WriteOp } from '@diststore/storage';
import {
  dataKey,
  dataRange,
  decodeRecord,
  decodeState,
  EMPTY_STATE,
  encodeRecord,
  encodeState,
  expiredRange,
  expiryKey,
  keyOfData,
  parseExpiryKey,
  stateKey,
} from '@diststore/storage';

export interface PutOptions {
  readonly contentType?: string | undefined;
  /** Milliseconds since the Unix epoch; 0 or absent = never. In the past: the value is never seen. */
  readonly expireAtMs?: number | undefined;
}

export interface PutResult {
  readonly version: number;
  /** False when a value was replaced. */
  readonly created: boolean;
}

/** What sequencing needs to know of a row that is stored or about to be. */
interface Row {
  readonly version: number;
  readonly expireAtMs: number;
  /** Key and payload. */
  readonly bytes: number;
}

interface Pending {
  /** Undefined: a delete. */
  readonly row: Row | undefined;
  readonly durable: Promise<void>;
}

/** Rows that one step of a sweep looks at: about 2 ms of work, between which requests are served. */
const SWEEP_ROWS_MAX = 256;

export class Partition {
  /** The newest write of each key that is sequenced but not yet durable. Keys as latin1. */
  private readonly pending = new Map<string, Pending>();
  private readonly stateRow: Buffer;
  /** The newest clear that is sequenced but not yet durable. Stays after a failure: then only the disk knows. */
  private clearing: Promise<void> | undefined;
  private newestMs: number;

  private constructor(
    private readonly storage: Storage,
    readonly id: number,
    private readonly clock: Clock,
    /** As of the newest sequenced write. */
    private state: PartitionState,
  ) {
    this.stateRow = stateKey(id);
    this.newestMs = state.lastTimestampMs;
  }

  /** @throws StoreError store-corrupt: the state row is damaged or lost, so the numbering of writes is not known. */
  static async open(storage: Storage, id: number, clock: Clock): Promise<Partition> {
    const row = await storage.get(stateKey(id));
    if (row !== undefined) return new Partition(storage, id, clock, decodeState(row));
    const { entries } = await storage.page(dataRange(id), { limit: 1 });
    if (entries.length > 0) {
      throw new StoreError('store-corrupt', `Partition ${id} has data but no state row. Restore a backup or a replica.`);
    }
    return new Partition(storage, id, clock, EMPTY_STATE);
  }

  get keys(): number {
    return this.state.keys;
  }

  get bytes(): number {
    return this.state.bytes;
  }

  /**
   * The record, or undefined when there is none, it has expired, or it was cleared. Answers at once when the data is
   * in memory. The payload belongs to the caller.
   * @throws StoreError record-corrupt
   */
  get(key: Buffer): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    const found = this.storage.read(dataKey(this.id, key));
    return found instanceof Promise ? found.then((bytes) => this.visible(key, bytes)) : this.visible(key, found);
  }

  /**
   * Stores the value. Resolves when it is durable.
   * REQUIRES: `expireAtMs` is a whole number from 0 to 2^53 - 1.
   * @throws StoreError too-many-requests, store-closed: nothing was written; store-failed: unknown.
   */
  async put(key: Buffer, value: Buffer, options: PutOptions = {}): Promise<PutResult> {
    const name = key.toString('latin1');
    const nowMs = this.nowMs();
    const { contentType, expireAtMs = 0 } = options;
    const old = this.newest(name, key);
    const version = this.state.applied + 1;
    const record = encodeRecord(key, { version, expireAtMs, contentType, payload: value });
    const ops: WriteOp[] = [];
    this.pushIndexRemoval(ops, key, old);
    if (expireAtMs !== 0) ops.push({ type: 'put', key: expiryKey(this.id, expireAtMs, key), value: Buffer.alloc(0) });
    ops.push({ type: 'put', key: dataKey(this.id, key), value: record });
    const row = { version, expireAtMs, bytes: key.length + value.length };
    await this.sequence(ops, [{ name, row }], {
      ...this.state,
      applied: version,
      lastTimestampMs: nowMs,
      ...this.counted(old === undefined ? 1 : 0, row.bytes - (old?.bytes ?? 0)),
    });
    return { version, created: old === undefined || hasExpired(old, nowMs) };
  }

  /**
   * Deletes the value. Resolves with the version of the delete when it is durable, or with undefined when there was
   * nothing to delete.
   * @throws as `put`
   */
  async delete(key: Buffer): Promise<number | undefined> {
    const name = key.toString('latin1');
    const nowMs = this.nowMs();
    const old = this.newest(name, key);
    if (old === undefined || hasExpired(old, nowMs)) {
      // "Absent" may rest on a delete or clear that is not durable yet: after a crash the value would be back.
      await Promise.all([this.pending.get(name)?.durable, this.clearing]);
      return undefined;
    }
    const version = this.state.applied + 1;
    const ops: WriteOp[] = [{ type: 'del', key: dataKey(this.id, key) }];
    this.pushIndexRemoval(ops, key, old);
    await this.sequence(ops, [{ name, row: undefined }], {
      ...this.state,
      applied: version,
      lastTimestampMs: nowMs,
      ...this.counted(-1, -old.bytes),
    });
    return version;
  }

  /**
   * Deletes everything. One small write, whatever the number of keys: it marks all older versions as deleted, and the
   * sweep removes their rows afterwards. Resolves with the number of keys removed, when that is durable.
   * @throws as `put`
   */
  async clear(): Promise<number> {
    const removed = this.state.keys;
    const version = this.state.applied + 1;
    const durable = this.sequence([], [], {
      applied: version,
      lastTimestampMs: this.nowMs(),
      clearedThrough: version,
      clearPending: true,
      keys: 0,
      bytes: 0,
    });
    this.clearing = durable;
    await durable;
    if (this.clearing === durable) this.clearing = undefined;
    return removed;
  }

  /**
   * One bounded step of removing expired rows. Resolves with true when there may be more to do.
   * @throws as `put`
   */
  async sweepExpired(): Promise<boolean> {
    const due = await this.storage.page(expiredRange(this.id, this.nowMs()), { limit: SWEEP_ROWS_MAX });
    if (due.entries.length === 0) return false;
    // Other writes may have been sequenced while waiting: each row is judged by the newest state, here and now.
    const ops: WriteOp[] = [];
    const removals: { name: string; row: undefined }[] = [];
    let bytes = 0;
    for (const { key: indexRow } of due.entries) {
      const { key, expireAtMs } = parseExpiryKey(indexRow);
      const name = key.toString('latin1');
      const row = this.newest(name, key);
      ops.push({ type: 'del', key: indexRow });
      if (row?.expireAtMs !== expireAtMs) continue;
      ops.push({ type: 'del', key: dataKey(this.id, key) });
      removals.push({ name, row: undefined });
      bytes += row.bytes;
    }
    await this.sequence(ops, removals, {
      ...this.state,
      applied: this.state.applied + (removals.length > 0 ? 1 : 0),
      lastTimestampMs: this.nowMs(),
      ...this.counted(-removals.length, -bytes),
    });
    return !due.done;
  }

  get clearPending(): boolean {
    return this.state.clearPending;
  }

  /**
   * One bounded step of removing the rows that a clear left behind, from the row after `from`, or from the first.
   * Resolves with where to go on, or undefined at the end of the partition.
   * @throws as `put`
   */
  async sweepCleared(from: Buffer | undefined): Promise<Buffer | undefined> {
    // Rows written before the clear may be on their way as well: the sweep must not pass them by.
    await this.clearing;
    const range = dataRange(this.id);
    const gte = from === undefined ? range.gte : Buffer.concat([from, Buffer.alloc(1)]);
    const page = await this.storage.page({ gte, lt: range.lt }, { limit: SWEEP_ROWS_MAX });
    const ops = this.removalsOfCleared(page);
    if (ops.length > 0) await this.sequence(ops, [], this.state);
    return page.done ? undefined : page.entries.at(-1)?.key;
  }

  /** Notes that a sweep has gone through all rows since `clearedThrough`. REQUIRES: no clear came in between. */
  async finishClear(clearedThrough: number): Promise<void> {
    if (this.state.clearedThrough !== clearedThrough) return;
    await this.sequence([], [], { ...this.state, clearPending: false });
  }

  get clearedThrough(): number {
    return this.state.clearedThrough;
  }

  private removalsOfCleared(page: Page): WriteOp[] {
    const ops: WriteOp[] = [];
    for (const { key: dataRow, value } of page.entries) {
      const key = keyOfData(dataRow);
      if (rowOf(key, value).version > this.state.clearedThrough) continue;
      // The page is older than this moment: a newer write of the key may be under way, or durable by now.
      if (this.pending.has(key.toString('latin1'))) continue;
      const bytes = this.storage.getSync(dataRow);
      const row = bytes === undefined ? undefined : rowOf(key, bytes);
      if (row === undefined || row.version > this.state.clearedThrough) continue;
      ops.push({ type: 'del', key: dataRow });
      this.pushIndexRemoval(ops, key, row);
    }
    return ops;
  }

  private pushIndexRemoval(ops: WriteOp[], key: Buffer, row: Row | undefined): void {
    if (row !== undefined && row.expireAtMs !== 0) ops.push({ type: 'del', key: expiryKey(this.id, row.expireAtMs, key) });
  }

  /** Hands a decided write to the storage and adopts `next` if it was accepted. Nothing changes when it is refused. */
  private sequence(
    ops: readonly WriteOp[],
    changes: readonly { readonly name: string; readonly row: Row | undefined }[],
    next: PartitionState,
  ): Promise<void> {
    const durable = this.storage.write(ops, {
      slot: this,
      toOp: () => ({ type: 'put', key: this.stateRow, value: encodeState(next) }),
    });
    this.state = next;
    if (changes.length === 0) return durable;
    const entries = changes.map(({ name, row }) => ({ name, pending: { row, durable } }));
    for (const { name, pending } of entries) this.pending.set(name, pending);
    const settle = (): void => {
      for (const { name, pending } of entries) if (this.pending.get(name) === pending) this.pending.delete(name);
    };
    // After a failure too: the store takes no further write, and what it holds is what a reader shall see.
    return durable.then(settle, (error: unknown) => {
      settle();
      throw error;
    });
  }

  /** The row as of the newest sequenced write; expired rows included, cleared ones not. */
  private newest(name: string, key: Buffer): Row | undefined {
    const pending = this.pending.get(name);
    let row: Row | undefined;
    if (pending === undefined) {
      const bytes = this.storage.getSync(dataKey(this.id, key));
      row = bytes === undefined ? undefined : rowOf(key, bytes);
    } else {
      row = pending.row;
    }
    return row === undefined || row.version <= this.state.clearedThrough ? undefined : row;
  }

  private visible(key: Buffer, bytes: Buffer | undefined): StoredRecord | undefined {
    if (bytes === undefined) return undefined;
    const record = decodeRecord(key, bytes);
    if (record.version <= this.visibleClearedThrough() || hasExpired(record, this.nowMs())) return undefined;
    return record;
  }

  /**
   * What readers go by: durable clears only. While one is under way the disk is asked, since the clear may be durable
   * before its promise says so, and another reader may have seen a write that came after it.
   */
  private visibleClearedThrough(): number {
    if (this.clearing === undefined) return this.state.clearedThrough;
    const row = this.storage.getSync(this.stateRow);
    return row === undefined ? 0 : decodeState(row).clearedThrough;
  }

  /**
   * The counters after a change. Of a damaged record neither the size is known nor whether a clear has uncounted it,
   * so they may be off by what is damaged; they never fall below nothing.
   */
  private counted(keys: number, bytes: number): { keys: number; bytes: number } {
    return { keys: Math.max(0, this.state.keys + keys), bytes: Math.max(0, this.state.bytes + bytes) };
  }

  /** The partition's clock never goes back, so what has expired once stays expired. */
  private nowMs(): number {
    this.newestMs = Math.max(this.newestMs, this.clock.wallNowMs());
    return this.newestMs;
  }
}

function hasExpired(row: { readonly expireAtMs: number }, nowMs: number): boolean {
  return row.expireAtMs !== 0 && row.expireAtMs <= nowMs;
}

/** A damaged record can be replaced or deleted, which is how one is repaired; it counts as a row of unknown content. */
function rowOf(key: Buffer, bytes: Buffer): Row {
  try {
    const { version, expireAtMs, payload } = decodeRecord(key, bytes);
    return { version, expireAtMs, bytes: key.length + payload.length };
  } catch (error) {
    if (!isStoreError(error, 'record-corrupt')) throw error;
    return { version: Number.MAX_SAFE_INTEGER, expireAtMs: 0, bytes: 0 };
  }
}
