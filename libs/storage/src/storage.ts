/**
 * The port to durable storage: an ordered map from bytes to bytes, in the store's own words. It knows nothing of
 * partitions, records or expiry; those live in the rows (key-layout.ts, record.ts).
 *
 * Two promises carry the whole product:
 * - *Durable, then acknowledged*: `write` resolves only after an fsync that covers it.
 * - *All or nothing*: after a crash a write is there with every operation, or with none.
 *
 * Writes take effect in the order of the calls. One contract suite (libs/testing) runs against every provider.
 */

/** REQUIRES: `key` and `value` do not change until the write that holds them settles. */
export type WriteOp =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

/**
 * A row of which only the newest version matters, such as a partition's counters. Of all trailers with the same
 * `slot` in one round only the last is written, so hundreds of concurrent writes pay for it once.
 */
export interface Trailer {
  readonly slot: object;
  /** Called once, when the round is sealed. Must describe the state as of *its own* write, not a later one. */
  toOp(): WriteOp;
}

/** Keys from `gte` (included) to `lt` (excluded), in byte order. */
export interface KeyRange {
  readonly gte: Buffer;
  readonly lt: Buffer;
}

export interface PageOptions {
  /** At most this many entries; 1 to PAGE_ENTRIES_MAX, which is the default. */
  readonly limit?: number;
  /** From the end of the range to its start. */
  readonly reverse?: boolean;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** True when the range holds nothing beyond `entries`. */
  readonly done: boolean;
}

/**
 * Reads see every write that has resolved. The buffers they return belong to the caller; the buffers of a key or
 * range that they are given must not change until they settle.
 * Every method throws StoreError `store-closed` after `close`, and `store-corrupt` when the store finds damage.
 */
export interface Reader {
  get(key: Buffer): Promise<Buffer | undefined>;
  /** As `get`, on the caller's thread: it may block for a disk read. For decisions that must not be interleaved. */
  getSync(key: Buffer): Buffer | undefined;
  /** One bounded step through a range; go on from the last key for more. At most PAGE_BYTES_MAX and one entry. */
  page(range: KeyRange, options?: PageOptions): Promise<Page>;
}

/** The store as it was when the snapshot was taken. Its owner closes it; until then compaction keeps its data. */
export interface Snapshot extends Reader {
  close(): Promise<void>;
}

export interface Storage extends Reader {
  /**
   * As `get`, but answers at once while the store finds its data in memory, and with a promise while it does not:
   * the hot path pays for no thread hop, and cold data does not stall the process.
   */
  read(key: Buffer): Buffer | undefined | Promise<Buffer | undefined>;

  /**
   * Applies every operation, or none, and resolves once that survives power loss. Concurrent calls share fsyncs.
   *
   * A refusal is thrown at once, before the call returns, so that a caller who numbers its writes has not moved yet:
   * @throws StoreError too-many-requests: the queue is at QUEUE_BYTES_MAX or QUEUE_WRITES_MAX; nothing was written.
   * @throws StoreError store-closed: nothing was written.
   *
   * The promise tells what the disk said:
   * @throws StoreError store-failed: the disk refused, so a restart may or may not show the write. Every later write
   *   is refused as well, because writing on after a failed fsync could order or lose writes.
   */
  write(ops: readonly WriteOp[], trailer?: Trailer): Promise<void>;

  snapshot(): Snapshot;

  /** Waits for the writes already accepted, then closes. Snapshots must be closed before. Idempotent. */
  close(): Promise<void>;
}

/** What a store tells its owner, for metrics and for the decision to end the process. */
export interface StorageObserver {
  /** After each round: how many writes and bytes shared this fsync, and how long it took. */
  round?(round: { readonly writes: number; readonly bytes: number; readonly durationMs: number }): void;
  /** A round failed: the state on disk is unknown until the store is opened again. Called at most once. */
  failed?(error: Error): void;
}
