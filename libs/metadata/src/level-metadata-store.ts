/**
 * MetadataStore for a single master: everything in memory, every change in one fsynced batch of the Storage port
 * (LevelDB, or memory in tests). LevelDB's lock keeps a second master off the directory.
 *
 *     commit ──► decide against `decided`, adopt ──► Storage.write (group commit) ──► fsync ──► `durable`, history, answer
 *                one turn of the event loop                                        reads ◄──┘       └──► watchers
 *
 * The idea is two copies of one small index. `decided` holds what has been decided and handed to the storage: the next
 * commit is judged by it at once, so a thousand proposals are decided in order without waiting for each other and
 * share the fsyncs of the storage's group commit. `durable` holds what has been fsynced: reads and watchers see
 * nothing else. An answer that was derived from `decided`, such as a compare that does not hold, waits for the fsync of
 * what it was derived from.
 *
 * Invariants:
 * - between looking at `decided` and handing the batch to the storage nothing is awaited;
 * - a batch holds the rows of its records and leases and the counters, so that a crash leaves all of them or none;
 * - `durable` is `decided` as it was at some revision: after `durable` come `undurable`, without a gap;
 * - after a failed write nobody knows what is on the disk, so nothing is read or written until the store is opened again.
 *
 * A lease is a durable row, but its end is kept in memory only, since a keep-alive must not cost an fsync. A start
 * therefore gives every lease its whole time again: a holder that is still there finds its records still there, and
 * those of a dead one go one TTL later. etcd's leases do the same when its leader changes.
 *
 * Not for more than one process, nor for more data than fits in memory several times over.
 */
import type { Clock } from '@diststore/base';
import { invariant, isStoreError, StoreError } from '@diststore/base';
import type { Storage, WriteOp } from '@diststore/storage';

import { ChangeHistory, type HistoryBounds } from './change-history.js';
import { checkCommit } from './commit-check.js';
import { endedLeaseOf, holds, outcomeOf } from './commit-decision.js';
import { LeaseTable } from './lease-table.js';
import { LEASE_CHECK_MS, LEASE_TTL_MS_MAX, LEASE_TTL_MS_MIN, LEASES_MAX, STORE_BYTES_MAX } from './limits.js';
import type {
  Change,
  CommitResult,
  Compare,
  Lease,
  LeaseId,
  Listing,
  MetadataRecord,
  MetadataStore,
  RecordChange,
  WatchNews,
} from './metadata-store.js';
import {
  type Counters,
  COUNTERS_KEY,
  encodeCounters,
  encodeLease,
  encodeRecord,
  leaseId,
  leaseKey,
  recordKey,
} from './metadata-rows.js';
import { RecordIndex } from './record-index.js';
import { readMetadata, type StoredMetadata } from './stored-metadata.js';

export interface LevelMetadataStoreOptions {
  readonly clock: Clock;
  /** Default STORE_BYTES_MAX. */
  readonly storeBytesMax?: number;
  /** Default HISTORY_COMMITS_MAX, HISTORY_BYTES_MAX, WATCHERS_MAX. */
  readonly history?: HistoryBounds;
}

export class LevelMetadataStore implements MetadataStore {
  private readonly decided: RecordIndex;
  private readonly durable: RecordIndex;
  /** Decided, not yet known to be durable; by revision. */
  private readonly undurable = new Map<number, readonly RecordChange[]>();
  private counters: Counters;
  private durableRevision: number;
  private readonly leases = new LeaseTable();
  private readonly history: ChangeHistory;
  /** Settles when everything decided so far is durable, or has failed. */
  private latestWrite: Promise<void> = Promise.resolve();
  private state: 'open' | 'failed' | 'closed' = 'open';
  private readonly countersSlot = {};
  private readonly leaseTimer: NodeJS.Timeout;

  private constructor(
    private readonly storage: Storage,
    private readonly options: LevelMetadataStoreOptions,
    { counters, records, leases }: StoredMetadata,
  ) {
    this.decided = new RecordIndex(records);
    this.durable = new RecordIndex(records);
    this.counters = counters;
    this.durableRevision = counters.revision;
    this.history = new ChangeHistory(counters.revision, options.history);
    for (const [id, ttlMs] of leases) this.leases.begin(id, ttlMs, this.nowMs());
    this.leaseTimer = setInterval(() => void this.expireLeases(), LEASE_CHECK_MS);
    this.leaseTimer.unref();
  }

  /**
   * Reads everything into memory. The storage stays its owner's, who closes it after this store.
   * REQUIRES: nobody else writes metadata rows of `storage`.
   * @throws StoreError store-corrupt: a row is damaged, or rows contradict each other.
   * @throws StoreError store-format: another version or program wrote a row.
   */
  static async open(storage: Storage, options: LevelMetadataStoreOptions): Promise<LevelMetadataStore> {
    return new LevelMetadataStore(storage, options, await readMetadata(storage));
  }

  // Async, so that a closed store rejects instead of throwing, as every provider does.
  // oxlint-disable-next-line typescript/require-await
  async get(name: string): Promise<MetadataRecord | undefined> {
    this.requireOpen();
    return this.durable.get(name);
  }

  // oxlint-disable-next-line typescript/require-await
  async list(prefix: string): Promise<Listing> {
    this.requireOpen();
    return { revision: this.durableRevision, records: this.durable.list(prefix) };
  }

  async commit(compares: readonly Compare[], changes: readonly Change[]): Promise<CommitResult> {
    this.requireOpen();
    checkCommit(compares, changes);
    if (!compares.every((compare) => holds(compare, this.decided))) {
      const { revision } = this.counters;
      const current = compares.map(({ name }) => this.decided.get(name));
      await this.latestWrite;
      return { ok: false, reason: 'compare-failed', revision, current };
    }
    const nowMs = this.nowMs();
    const gone = endedLeaseOf(changes, (lease) => this.leases.isAlive(lease, nowMs));
    if (gone !== undefined) {
      await this.revoke(gone);
      return { ok: false, reason: 'lease-gone', lease: gone };
    }
    const outcome = outcomeOf(changes, this.decided, this.counters.revision + 1);
    const written = outcome.length === 0 ? this.latestWrite : this.submit({ changes: outcome });
    const { revision } = this.counters;
    await written;
    return { ok: true, revision };
  }

  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchNews> {
    invariant(
      Number.isSafeInteger(fromRevision) && fromRevision >= 1,
      'a watch begins at revision 1 or later',
      {
        fromRevision,
      },
    );
    return this.history.follow(prefix, fromRevision, signal);
  }

  async grant(ttlMs: number): Promise<Lease> {
    this.requireOpen();
    const isTtl = Number.isInteger(ttlMs) && ttlMs >= LEASE_TTL_MS_MIN && ttlMs <= LEASE_TTL_MS_MAX;
    invariant(isTtl, 'a TTL is a whole number from LEASE_TTL_MS_MIN to LEASE_TTL_MS_MAX', { ttlMs });
    if (this.leases.size >= LEASES_MAX) {
      throw new StoreError('too-many-requests', `There are ${LEASES_MAX} leases already.`);
    }
    const lastLease = this.counters.lastLease + 1;
    const id = leaseId(lastLease);
    const row: WriteOp = { type: 'put', key: leaseKey(id), value: encodeLease(id, ttlMs) };
    const written = this.submit({ changes: [], leaseRow: row, lastLease });
    this.leases.begin(id, ttlMs, this.nowMs());
    await written;
    return { id, ttlMs };
  }

  async keepAlive(lease: LeaseId): Promise<boolean> {
    this.requireOpen();
    if (this.leases.renew(lease, this.nowMs())) return true;
    // Said to have ended, it must not come back with a restart.
    await this.revoke(lease);
    return false;
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.requireOpen();
    if (!this.leases.has(lease)) {
      await this.latestWrite;
      return;
    }
    const changes = this.decided.namesUnder(lease).map((name) => ({ name, record: undefined }));
    const written = this.submit({ changes, leaseRow: { type: 'del', key: leaseKey(lease) } });
    this.leases.end(lease);
    await written;
  }

  /** Revokes what has lapsed, and resolves when that is durable. The store does so itself every LEASE_CHECK_MS. */
  async expireLeases(): Promise<void> {
    if (this.state !== 'open') return;
    const revoked = await Promise.allSettled(this.leases.lapsed(this.nowMs()).map((id) => this.revoke(id)));
    for (const result of revoked) {
      // A full queue: the next check tries again. A failed disk: the storage has told its owner, and commits fail.
      if (result.status === 'rejected' && !isStoreError(result.reason)) throw result.reason;
    }
  }

  async close(): Promise<void> {
    if (this.state === 'open') {
      this.state = 'closed';
      this.stop(new StoreError('store-closed', 'The metadata store is closed.'));
    }
    // Whichever way it settles, its callers are told.
    await this.latestWrite.catch(() => undefined);
  }

  /**
   * Hands one batch to the storage and adopts it; resolves when it is durable.
   * @throws StoreError at once, with nothing adopted: disk-full, or what Storage.write refuses with.
   */
  private submit(batch: {
    changes: readonly RecordChange[];
    leaseRow?: WriteOp;
    lastLease?: number;
  }): Promise<void> {
    const { changes, leaseRow, lastLease = this.counters.lastLease } = batch;
    this.requireRoom(changes);
    let { revision, records } = this.counters;
    if (changes.length > 0) revision += 1;
    for (const { name, record } of changes) {
      records += (record === undefined ? 0 : 1) - (this.decided.get(name) === undefined ? 0 : 1);
    }
    const counters = { revision, records, lastLease };
    const rows = changes.map(rowOf);
    if (leaseRow !== undefined) rows.push(leaseRow);
    const written = this.storage.write(rows, {
      slot: this.countersSlot,
      toOp: () => ({ type: 'put', key: COUNTERS_KEY, value: encodeCounters(counters) }),
    });
    // Accepted, and so decided.
    this.counters = counters;
    for (const change of changes) this.decided.apply(change);
    invariant(this.decided.size === records, 'the counters count the records', { ...counters });
    if (changes.length > 0) this.undurable.set(revision, changes);
    this.latestWrite = written.then(
      () => this.publishThrough(revision),
      (error: unknown) => this.fail(error),
    );
    return this.latestWrite;
  }

  /** Shows readers and watchers what is durable. A write that has settled vouches for those before it. */
  private publishThrough(revision: number): void {
    while (this.durableRevision < revision) {
      const next = this.durableRevision + 1;
      const changes = this.undurable.get(next);
      invariant(changes !== undefined, 'every decided revision is kept until it is durable', {
        next,
        revision,
      });
      this.undurable.delete(next);
      this.durableRevision = next;
      for (const change of changes) this.durable.apply(change);
      this.history.append(next, changes);
    }
  }

  private fail(error: unknown): never {
    const reason = error instanceof Error ? error : new Error(String(error));
    if (this.state === 'open') {
      this.state = 'failed';
      this.stop(reason);
    }
    throw reason;
  }

  private stop(reason: Error): void {
    clearInterval(this.leaseTimer);
    this.history.end(reason);
  }

  private requireOpen(): void {
    if (this.state === 'open') return;
    const why = this.state === 'closed' ? 'is closed' : 'has failed to write and must be opened again';
    throw new StoreError('store-closed', `The metadata store ${why}; nothing was done.`);
  }

  private requireRoom(changes: readonly RecordChange[]): void {
    const limit = this.options.storeBytesMax ?? STORE_BYTES_MAX;
    const growth = this.decided.growthBy(changes);
    const bytes = this.decided.bytes + growth;
    if (growth <= 0 || bytes <= limit) return;
    throw new StoreError('disk-full', `The metadata would take ${bytes} bytes, more than ${limit}.`, {
      facts: { bytes, limit },
    });
  }

  private nowMs(): number {
    return this.options.clock.monotonicNowMs();
  }
}

function rowOf({ name, record }: RecordChange): WriteOp {
  const key = recordKey(name);
  return record === undefined ? { type: 'del', key } : { type: 'put', key, value: encodeRecord(record) };
}
