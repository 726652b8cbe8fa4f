/**
 * The place of one partition on this worker, and what its host knows of it besides the replica. A replica may be
 * replaced (its log was bad, or it is not wanted any more); the place stays, so that whoever holds it needs no lookup.
 *
 *     empty ──born, or found on disk──► running ──retired for long──► erasing ──► running, empty and under a new name
 *                                          │                             ▲
 *                                          └── bad ──► quarantined ──────┘ once others go on without it, and are sound
 */
import { invariant, InvariantError, isStoreError } from '@diststore/base';
import type { Incarnation, Member, PartitionId, Target } from '@diststore/cluster';
import { APPLIED_NOTHING, forgetNames, namesOf } from '@diststore/replication';
import type {
  AppliedState,
  Counts,
  DurableWrite,
  InstalledState,
  Op,
  Replica,
  Role,
  Seq,
} from '@diststore/replication';
import type { Storage, StoredRecord } from '@diststore/storage';

import type { CachedRecords, LoadRecord } from './store/record-cache.js';
import { nameOf } from './store/replica-reads.js';
import type { FoundForWrite, KeysToRead, Known } from './store/replica-reads.js';
import type { OnDamage } from './store/damage.js';
import { asBuffer } from './store/durable-ops.js';
import { ReplicaStore } from './store/replica-store.js';

export type SeatState =
  /** Nothing was ever written here: there is no row 01. */
  | 'empty'
  | 'running'
  /** There is a row 01, and no replica that may be used. */
  | 'quarantined'
  | 'erasing'
  /** The host has ended. */
  | 'closed';

/**
 * The store failed to read a record while a write was decided, in a way that has no code: too many open files, say.
 * Nothing is wrong with what decides, which any other error than a StoreError would mean there.
 */
export class ReadFailure extends Error {
  constructor(cause: unknown) {
    super('A record could not be read.', { cause });
  }
}

/**
 * Of `records`, the cache, this holds: while the replica leads, what is in there of a key is what the data holds,
 * unless the replica has something pending of that key. So whoever reads looks at what is pending first, and keeps
 * nothing of what is read meanwhile; and what has been applied takes its place in there when nothing newer is pending.
 * While another leads there is nothing in it.
 */
export class Seat {
  /** Its rows. */
  readonly store: ReplicaStore;
  state: SeatState = 'empty';
  /** Only while running. */
  replica: Replica | undefined;
  role: Role = 'none';
  target: Target | undefined;
  /** Row 01 as it was enqueued last; undefined while none is known. */
  installed: InstalledState | undefined;
  /** As of the newest applied entry, or of the snapshot. */
  counts: Counts = { keys: 0, bytes: 0 };
  /** The newest clear that was enqueued for the data. */
  clearedThrough: Seq = 0;
  /** The newest time that a reader or a write was told: the partition's clock never goes back. */
  clockMs = 0;
  /** Writes were stepped and not flushed. */
  isDirty = false;
  /** Since when it is neither in sync nor wanted; monotonic. */
  retiredSinceMs: number | undefined;
  /** A row here is damaged: the replica is to leave, so that it can be erased. It says which. */
  damage: string | undefined;
  /** When it was told to leave because of that; undefined: it takes part. Monotonic, as the other. */
  leavingSinceMs: number | undefined;
  /** Not told again before. */
  stayUntilMs = 0;
  /** Whether somebody else has led since it was told to stay. */
  gaveWay = false;
  /** Since when it is quarantined, and says nothing. Monotonic, as the others. */
  quarantinedMs = -Infinity;
  /** Why it is quarantined. If `installed` is undefined, row 01 itself is damaged, and what it was is not known. */
  problem: string | undefined;
  private appliedWaiters: { readonly seq: Seq; readonly resolve: () => void }[] = [];

  constructor(
    readonly partition: PartitionId,
    storage: Storage,
    private readonly records: CachedRecords,
    onDamage: OnDamage,
  ) {
    this.store = new ReplicaStore(storage, partition, onDamage);
  }

  /**
   * The record as the data has it, expired or cleared though it may be; at once when it is in memory. Its payload is
   * not to be changed.
   * @param isPending whether something of this key is pending
   * @throws StoreError record-corrupt
   */
  find(
    key: Buffer,
    name: string,
    isPending: boolean,
  ): StoredRecord | undefined | Promise<StoredRecord | undefined> {
    if (isPending || this.role !== 'primary') return this.store.get(key);
    const cached = this.records.get(name);
    if (cached !== undefined) return cached;
    const found = this.store.get(key);
    // A read that takes its time may be overtaken by a write.
    if (found !== undefined && !(found instanceof Promise)) this.records.noteRead(name, found);
    return found;
  }

  /** As `ReplicaStore.readForWrite`, for a write that is decided in this same step. */
  readForWrite(what: KeysToRead): FoundForWrite {
    return this.store.readForWrite(what, this.role === 'primary' ? this.known : undefined);
  }

  /** What is pending is decided on before what is known here. */
  private readonly known: Known = (name, key) => this.records.known(name, key, this.load);

  /** @throws StoreError as `readForWrite`; ReadFailure */
  private readonly load: LoadRecord = (key) => {
    const { reads, damaged } = this.read(key);
    const name = nameOf(key);
    const damage = damaged.get(name);
    if (damage !== undefined) throw damage;
    const record = reads.records.get(name);
    invariant(record !== undefined && record !== null, 'what is known is stored');
    return { ...record, payload: asBuffer(record.payload) };
  };

  private read(key: Buffer): FoundForWrite {
    try {
      return this.store.readForWrite({ appliedSeq: 0, keys: [key], requestId: undefined });
    } catch (error) {
      throw isStoreError(error) || error instanceof InvariantError ? error : new ReadFailure(error);
    }
  }

  /** These writes are durable, and the replica has been told. */
  noteDurable(writes: readonly DurableWrite[]): void {
    const { replica, records } = this;
    if (replica === undefined || this.role !== 'primary') return;
    for (const write of writes) {
      if (write.type !== 'apply') continue;
      for (const entry of write.entries) {
        const names = namesOf(entry);
        for (let i = 0; i < names.length; i += 1) {
          const op = entry.ops[i] as Op;
          const name = names[i] as string;
          if (op.type === 'clear' || replica.pending(name) !== undefined) continue;
          if (op.type === 'del') records.delete(name);
          else records.noteWritten(name, recordOf(op, entry.seq));
        }
        forgetNames(entry);
      }
    }
  }

  /** The replica's role has changed, or it is gone. */
  forgetRecords(): void {
    this.records.clear();
  }

  get incarnation(): Incarnation | undefined {
    return this.replica?.self.incarnation;
  }

  /** Whether this member is, or may be, the replica whose rows are here. */
  mayBe({ worker, store, incarnation }: Member, self: Pick<Member, 'worker' | 'store'>): boolean {
    if (worker !== self.worker || store !== self.store) return false;
    // What is not known may be it.
    return this.installed === undefined || this.installed.incarnation === incarnation;
  }

  /** Keeps up with what is made durable. */
  note(writes: readonly DurableWrite[]): void {
    for (const write of writes) {
      if (write.type === 'apply' || write.type === 'state') this.begin(write.state);
      else if (write.type === 'erase') this.begin(APPLIED_NOTHING);
      else if (write.type === 'installed') this.installed = write.state;
    }
  }

  /** What the data is from here on. */
  begin({ counts, clearedThrough, lastTimestampMs }: AppliedState): void {
    this.counts = counts;
    this.clearedThrough = clearedThrough;
    this.now(lastTimestampMs);
  }

  /** The partition's clock, for who decides what has expired. */
  now(wallMs: number): number {
    if (wallMs > this.clockMs) this.clockMs = wallMs;
    return this.clockMs;
  }

  /** Resolves when the data reflects `seq`, or the replica is gone: ask again. */
  whenApplied(seq: Seq): Promise<void> {
    if (this.replica === undefined || this.replica.applied >= seq) return Promise.resolve();
    return new Promise((resolve) => this.appliedWaiters.push({ seq, resolve }));
  }

  /** After whatever may have moved `applied`, or taken the replica away. */
  settleApplied(): void {
    if (this.appliedWaiters.length === 0) return;
    const applied = this.replica?.applied ?? Infinity;
    this.appliedWaiters = this.appliedWaiters.filter(({ seq, resolve }) => {
      if (seq > applied) return true;
      resolve();
      return false;
    });
  }
}

function recordOf(
  { expireAtMs, contentType, payload }: Extract<Op, { type: 'put' }>,
  seq: Seq,
): StoredRecord {
  return { version: seq, expireAtMs, contentType, payload: asBuffer(payload) };
}
