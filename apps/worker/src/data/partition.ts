/**
 * A partition as the router sees it, where its primary is: one sequence of writes over some of the keys. How many
 * replicas stand behind it is its own affair.
 */
import type { PartitionId } from '@diststore/cluster';
import type { Result, WriteOperation } from '@diststore/data';
import type { Request } from '@diststore/replication';
import type { StoredRecord } from '@diststore/storage';

export interface Performed {
  readonly result: Result;
  /** The request had been done before; `result` is what was kept of it (see libs/data, receipt.ts). */
  readonly repeated: boolean;
}

/** Larger payloads are left out of pages: a listing holds a page of every partition. */
export const PAGE_PAYLOAD_BYTES_MAX = 512;

export interface PageOptions {
  /** At least 1. No page has more than PAGE_ENTRIES_MAX. */
  readonly limit: number;
  /** Without any payload; otherwise with those of up to PAGE_PAYLOAD_BYTES_MAX. */
  readonly keysOnly: boolean;
}

export interface PageRecord {
  readonly key: Buffer;
  readonly record: StoredRecord;
  /** False: the payload has been left out, and is empty here. */
  readonly isWhole: boolean;
}

export interface RecordPage {
  /** In key order. There may be none, or fewer than wanted, although there are more. */
  readonly records: readonly PageRecord[];
  /** Where to go on; undefined at the end. */
  readonly next: Buffer | undefined;
}

export interface Partition {
  readonly id: PartitionId;
  /** Keys that are stored; expired ones count until they are swept. */
  readonly keys: number;
  /** Bytes of those keys and their values. */
  readonly bytes: number;

  /**
   * The record, or undefined when there is none, it has expired, or it was cleared. Linearizable. Answers at once when
   * the data is in memory. The payload is not to be changed.
   * @throws StoreError record-corrupt, retry-later
   */
  get(key: Buffer): StoredRecord | undefined | Promise<StoredRecord | undefined>;

  /**
   * As `get`, after the other replicas have confirmed that this one still leads: rests on no clock.
   * @throws StoreError record-corrupt, retry-later, too-many-requests
   */
  readConfirmed(key: Buffer): Promise<StoredRecord | undefined>;

  /**
   * Does the operation, all of it or nothing, and resolves when what it wrote, and what its answer rests on, is durable
   * on every in-sync replica.
   * REQUIRES: `checkOperation` has passed; every key belongs to this partition; the operation's buffers never change
   *   again.
   * @param request makes a repetition safe: what was done for it before is not done again.
   * @throws StoreError too-many-requests, disk-full, record-corrupt, retry-later, store-closed: nothing was written;
   *   store-failed, outcome-unknown: unknown.
   */
  perform(operation: WriteOperation, request?: Request): Promise<Performed>;

  /**
   * One bounded step through the live records in key order, from `from` (included; empty: the first) to `to`
   * (excluded; undefined: the last and all): at most PAGE_BYTES_MAX and one record. Linearizable as a whole.
   * @throws StoreError record-corrupt, retry-later
   */
  page(from: Buffer, to: Buffer | undefined, options: PageOptions): Promise<RecordPage>;
}
