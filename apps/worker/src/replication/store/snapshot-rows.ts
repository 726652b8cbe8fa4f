/**
 * A partition's content (kinds 04 to 07) on its way from one replica to another: rows as they are stored, in chunks.
 * Both ends check every row, so that damage on one disk is never copied to the next.
 */
import { isStoreError, StoreError } from '@diststore/base';
import { APPLIED_NOTHING, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_ROWS_MAX } from '@diststore/replication';
import type { AppliedState, SnapshotRow } from '@diststore/replication';
import {
  contentKindOf,
  contentRanges,
  decodeFinished,
  decodeRecord,
  encodeFinished,
  keyOfData,
  parseExpiryKey,
  parseRequestAgeKey,
  stateKey,
} from '@diststore/storage';
import type { Entry, KeyRange, Snapshot, Storage } from '@diststore/storage';

import { recordOr } from './damage.js';
import type { OnDamage } from './damage.js';
import { asBuffer } from './durable-ops.js';
import { LOST_RESULT } from './replica-reads.js';
import { readApplied } from './state-row.js';

export interface SnapshotChunk {
  readonly rows: readonly SnapshotRow[];
  /** This chunk is the last. */
  readonly done: boolean;
  /** Rows about requests, and of indexes, that are damaged here and nowhere sound; see `next`. */
  readonly lost: number;
}

const NO_VALUE = Buffer.alloc(0);

/** One session's view of a partition. Its owner closes it; until then the store keeps its old data. */
export class ReplicaSnapshot {
  /** Read and not yet handed out. */
  private buffered: SnapshotRow[] = [];
  /** Since the last chunk. */
  private lost = 0;
  private readonly ranges: KeyRange[];

  private constructor(
    private readonly snapshot: Snapshot,
    private readonly partition: number,
    private readonly onDamage: OnDamage,
    /** Row 02 as of the snapshot: how far its rows are. */
    readonly state: AppliedState,
  ) {
    this.ranges = contentRanges(partition);
  }

  /** @throws StoreError store-corrupt: row 02 is damaged; store-closed */
  static async open(storage: Storage, partition: number, onDamage: OnDamage): Promise<ReplicaSnapshot> {
    const snapshot = storage.snapshot();
    try {
      const row = await snapshot.get(stateKey(partition));
      const state = row === undefined ? APPLIED_NOTHING : readApplied(row);
      return new ReplicaSnapshot(snapshot, partition, onDamage, state);
    } catch (error) {
      await snapshot.close();
      throw error;
    }
  }

  /**
   * The next rows: SNAPSHOT_CHUNK_BYTES and one row at most, SNAPSHOT_CHUNK_ROWS_MAX rows at most. What a clear has
   * hidden is left out.
   *
   * Where this is the only copy, a damaged result of a request goes as LOST_RESULT, so that the request is not done
   * again by whoever takes over, and a damaged row of an index is left out: a copy without them is better than none.
   * REQUIRES: the call before has settled, and did not say `done`.
   * @throws StoreError record-corrupt, or what `onDamage` makes of it: there is nothing to send that could be relied
   *   on. store-closed
   */
  async next(): Promise<SnapshotChunk> {
    let bytes = 0;
    let count = 0;
    for (;;) {
      for (; count < this.buffered.length; count += 1) {
        if (bytes >= SNAPSHOT_CHUNK_BYTES || count === SNAPSHOT_CHUNK_ROWS_MAX) return this.take(count);
        const { key, value } = this.buffered[count] as SnapshotRow;
        bytes += key.length + value.length;
      }
      if (!(await this.read())) return this.take(count);
    }
  }

  async close(): Promise<void> {
    this.buffered = [];
    await this.snapshot.close();
  }

  private take(count: number): SnapshotChunk {
    const rows = this.buffered.slice(0, count);
    this.buffered = this.buffered.slice(count);
    const { lost } = this;
    this.lost = 0;
    return { rows, done: this.buffered.length === 0 && this.ranges.length === 0, lost };
  }

  /** Reads one page on. @returns false at the end. */
  private async read(): Promise<boolean> {
    const range = this.ranges[0];
    if (range === undefined) return false;
    const { entries, done } = await this.snapshot.page(range);
    for (const entry of entries) {
      const row = this.rowOf(entry);
      if (row !== undefined) this.buffered.push(row);
    }
    const last = entries.at(-1)?.key;
    if (done || last === undefined) this.ranges.shift();
    else this.ranges[0] = { gte: Buffer.concat([last, Buffer.alloc(1)]), lt: range.lt };
    return true;
  }

  /** What goes for a row that is stored here, if anything. */
  private rowOf(stored: Entry): SnapshotRow | undefined {
    const { key, value } = stored;
    const kind = contentKindOf(key, this.partition);
    if (kind === 'data') {
      const { version } = recordOr(this.onDamage, keyOfData(key), value);
      return version > this.state.clearedThrough ? stored : undefined;
    }
    const problem = problemOfRow(this.partition, key, value);
    if (problem === undefined) return stored;
    const damage = new StoreError('store-corrupt', describe(key, problem));
    const told = this.onDamage(damage);
    if (told !== undefined) throw told;
    this.lost += 1;
    if (kind === 'request') return { key, value: encodeFinished(key, LOST_RESULT) };
    // All that a row of an index says is in its key.
    return problemOfRow(this.partition, key, NO_VALUE) === undefined ? { key, value: NO_VALUE } : undefined;
  }
}

/**
 * What is wrong with rows that another worker sent as content of `partition`, or undefined. Such rows are written to
 * the disk as they are, so nothing that could not have been read here may pass.
 */
export function problemOfSnapshotRows(partition: number, rows: readonly SnapshotRow[]): string | undefined {
  for (const row of rows) {
    const key = asBuffer(row.key);
    const problem = problemOfRow(partition, key, asBuffer(row.value));
    if (problem !== undefined) return describe(key, problem);
  }
  return undefined;
}

function describe(key: Buffer, problem: string): string {
  return `Row ${key.toString('hex', 0, 64)}: ${problem}`;
}

function problemOfRow(partition: number, key: Buffer, value: Buffer): string | undefined {
  const kind = contentKindOf(key, partition);
  try {
    switch (kind) {
      case 'data': {
        const { version, expireAtMs } = decodeRecord(keyOfData(key), value);
        return problemOfNumbers(version, expireAtMs);
      }
      case 'request':
        return problemOfNumbers(decodeFinished(key, value).seq);
      case 'request-age': {
        const { timestampMs, seq } = parseRequestAgeKey(key);
        return problemOfNoValue(value) ?? problemOfNumbers(timestampMs, seq);
      }
      case 'expiry':
        return problemOfNoValue(value) ?? problemOfNumbers(parseExpiryKey(key).expireAtMs);
      case undefined:
        return `It is no content of partition ${partition}.`;
    }
  } catch (error) {
    if (isStoreError(error)) return error.message;
    throw error;
  }
}

function problemOfNoValue(value: Buffer): string | undefined {
  return value.length > 0 ? 'An index row has a value.' : undefined;
}

function problemOfNumbers(...numbers: number[]): string | undefined {
  return numbers.every((number) => Number.isSafeInteger(number)) ? undefined : 'A number is above 2^53 - 1.';
}
