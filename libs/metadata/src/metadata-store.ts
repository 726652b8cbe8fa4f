/**
 * The port to the cluster's metadata: versioned records by name, changed by compare-and-swap. A few thousand small
 * records that many may want to change and everyone wants to follow: configurations, targets, workers, settings.
 * It knows nothing of what they mean, and no user's data ever goes through it.
 *
 * The idea is etcd's: one counter, the *revision*, rises with every commit that changes something, and every record
 * says at which revision it was created and last modified. "Nobody has touched what I read" is then one comparison,
 * and "what happened since" one number.
 *
 *     propose:  read record and its modRevision ─► compute the next value ─► commit if modRevision is still the same
 *     follow:   list(prefix) at revision r ─► watch(prefix, r + 1) ─► on `compacted`, list again
 *     lead:     commit([{name, createRevision: 0}], [{put name, lease}]), which is refused while another leads; from
 *               then on every commit of the leader compares that createRevision, so that one who has lost the lease
 *               without noticing changes nothing
 *
 * Promises, which the contract suite in libs/testing holds every provider to:
 * - *All or nothing*: a commit is there with all of its changes, under one revision, or with none.
 * - *In one order*: commits are decided one after the other, each against the outcome of those before it; a read sees
 *   every commit that was acknowledged before it was called.
 * - *Durable, then visible*: nobody is told of a change, whether as an acknowledgement, in a read or by a watch,
 *   that a crash could take back.
 * - *No gaps*: a watcher sees every commit that touches its prefix, once, whole and in order, or `compacted`.
 *
 * Operating errors (thrown as StoreError) come in two kinds, and the difference matters to whoever proposes:
 * - `outcome-unknown`, `store-failed`: a commit may or may not have been done. Read before going on; do not repeat a
 *   commit blindly unless its compares make it harmless.
 * - everything else (`retry-later`, `too-many-requests`, `disk-full`, `store-closed`, …): nothing was done.
 *
 * How etcd 3 carries each operation (its API reference and "KV API guarantees", 3.4 to 3.6; npm client `etcd3`). The
 * contract suite was run against etcd 3.4.23 through a client of these lines:
 *
 *     get              Range of one key, linearizable (the default)
 *     list             Range of the prefix, in pages at the first page's header.revision; begun again when that
 *                      revision is compacted meanwhile
 *     commit           Txn: If MOD or CREATE == n for each compare (0 is "absent" for both, as here); Then the puts
 *                      and deletes; Else a Range of each compared key, which is `current`. revision: header.revision.
 *                      etcd takes 128 operations in each of the three lists and refuses to put a key twice, as here.
 *                      A Txn that changes nothing (deletes of absent keys) does not raise the revision, as here.
 *     lease-gone       the Then branch's "requested lease not found", checked after the compares, as here
 *     watch            Watch with start_revision (0 would mean "now": hence fromRevision >= 1); events of one
 *                      mod_revision always arrive together and are one commit. A cancel that nobody asked for is
 *                      `compacted` (etcd3's Watcher drops compact_revision). After a broken connection, again from
 *                      the last mod_revision seen plus one: not etcd3's own resumption, which counts by
 *                      header.revision, and that runs ahead of the events while etcd catches a watcher up
 *     grant            LeaseGrant in whole seconds, rounded up; etcd may raise it to its own minimum: hence the answer
 *     keepAlive        LeaseKeepAlive once; TTL 0 is `false`. Every new leader of etcd begins every lease anew, as a
 *                      restart does here
 *     revoke           LeaseRevoke; "requested lease not found" is success
 *     outcome-unknown  a Txn that was sent and got DEADLINE_EXCEEDED, UNAVAILABLE or no answer
 *     disk-full        "mvcc: database space exceeded"
 *
 * Lease ids are text because etcd's exceed 2^53; revisions are numbers because 2^53 commits are not reached. Values
 * are text, not bytes: text cannot change under whoever shares it, so that records need no copies.
 */
declare const brand: unique symbol;

/** Names a lease for as long as the cluster lives; never given out twice. */
export type LeaseId = string & { readonly [brand]: 'LeaseId' };

export interface MetadataRecord {
  /** 1 to NAME_LENGTH_MAX printable ASCII characters without space, so that name order is byte order everywhere. */
  readonly name: string;
  /** Text (in practice JSON of libs/cluster's codecs), at most VALUE_BYTES_MAX bytes of UTF-8. */
  readonly value: string;
  /** Of the commit that created it; a record deleted and put again is a new one. */
  readonly createRevision: number;
  /** Of the commit that wrote it last. */
  readonly modRevision: number;
  /** The lease that it vanishes with. */
  readonly lease: LeaseId | undefined;
}

/** What must hold of a record for a commit to be done; 0 means that it must be absent. */
export type Compare =
  | { readonly name: string; readonly modRevision: number }
  | { readonly name: string; readonly createRevision: number };

/**
 * `put` creates or replaces. A record belongs to the lease of its *last* put, or to none: a put without a lease takes
 * it off the one it had.
 */
export type Change =
  | { readonly type: 'put'; readonly name: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly type: 'del'; readonly name: string };

export type CommitResult =
  /** Done and durable. `revision` is the new one, or the unchanged one when nothing had to change. */
  | { readonly ok: true; readonly revision: number }
  /** A compare does not hold; nothing was changed. `current`: the record of each compare, in their order, at `revision`. */
  | {
      readonly ok: false;
      readonly reason: 'compare-failed';
      readonly revision: number;
      readonly current: readonly (MetadataRecord | undefined)[];
    }
  /** The compares hold, but a put names a lease that has ended; nothing was changed. */
  | { readonly ok: false; readonly reason: 'lease-gone'; readonly lease: LeaseId };

export interface Listing {
  /** The records are as they were at this revision: a watch from the next one misses nothing. */
  readonly revision: number;
  /** In the order of their names. */
  readonly records: readonly MetadataRecord[];
}

/** What became of one record. */
export interface RecordChange {
  readonly name: string;
  /** As the commit left it; undefined: deleted. */
  readonly record: MetadataRecord | undefined;
}

export type WatchNews =
  /** One commit: all of its changes below the prefix, in the commit's order. */
  | { readonly type: 'changes'; readonly revision: number; readonly changes: readonly RecordChange[] }
  /** The next revision wanted is no longer known, so changes may have been missed: list again. The last news of a watch. */
  | { readonly type: 'compacted' };

export interface Lease {
  readonly id: LeaseId;
  /** As granted: what was asked for or, when the provider has a longer minimum, more. */
  readonly ttlMs: number;
}

/** Every method throws StoreError `store-closed` after `close`, and `retry-later` when the store cannot be reached. */
export interface MetadataStore {
  /** The record, or undefined when there is none. */
  get(name: string): Promise<MetadataRecord | undefined>;

  /** All records whose names begin with `prefix`, at one revision; `''` lists everything. */
  list(prefix: string): Promise<Listing>;

  /**
   * Does all of `changes` if all of `compares` hold, and nothing otherwise. Without compares it is done in any case;
   * without changes it only compares. Concurrent commits share fsyncs (or round trips): do not wait for one to start
   * another that does not depend on it.
   * REQUIRES: at most COMMIT_OPERATIONS_MAX of each; each name is changed once; names and values are as MetadataRecord
   *   says; revisions are whole numbers from 0.
   * @throws StoreError value-too-large: a value exceeds VALUE_BYTES_MAX, or all together COMMIT_BYTES_MAX.
   * @throws StoreError disk-full: the store is at its size; deletes and shorter values are still taken.
   * @throws StoreError too-many-requests: too many commits are waiting.
   * @throws StoreError outcome-unknown, store-failed: see the header.
   */
  commit(compares: readonly Compare[], changes: readonly Change[]): Promise<CommitResult>;

  /**
   * The commits from `fromRevision` on that touch names beginning with `prefix`, without end: history first, then
   * live. A revision still to come is waited for. The watch keeps no queue; a reader too slow for the store's history
   * gets `compacted`, and the store never waits for it. Begins with the first `next()`.
   * End it by aborting `signal`, which ends the iteration without an error, at once.
   * REQUIRES: fromRevision >= 1.
   * @throws StoreError too-many-requests: there are too many watchers.
   * @throws StoreError store-closed, store-failed: the store has ended, and this watch with it.
   */
  watch(prefix: string, fromRevision: number, signal: AbortSignal): AsyncIterable<WatchNews>;

  /**
   * A lease that ends `ttlMs` after the last sign of life, or somewhat later, never earlier. Records put with it are
   * deleted in one commit when it ends. Its holder counts from *before* it sent `grant` or `keepAlive`.
   * A restart of the store gives every lease its whole time again.
   * REQUIRES: LEASE_TTL_MS_MIN <= ttlMs <= LEASE_TTL_MS_MAX.
   * @throws StoreError too-many-requests: there are too many leases.
   */
  grant(ttlMs: number): Promise<Lease>;

  /** Gives the lease its whole time again. False: it has ended, and its records are gone or about to go. */
  keepAlive(lease: LeaseId): Promise<boolean>;

  /** Ends the lease and deletes its records, in one commit. Nothing happens when it has ended already. */
  revoke(lease: LeaseId): Promise<void>;

  /** Settles what was begun, ends all watches with `store-closed`, and refuses everything from then on. Idempotent. */
  close(): Promise<void>;
}
