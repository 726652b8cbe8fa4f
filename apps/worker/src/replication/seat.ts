/**
 * The place of one partition on this worker, and what its host knows of it besides the replica. A replica may be
 * replaced (its log was bad, or it is not wanted any more); the place stays, so that whoever holds it needs no lookup.
 *
 *     empty ──born, or found on disk──► running ──retired for long──► erasing ──► running, empty and under a new name
 *                                          │                             ▲
 *                                          └── bad ──► quarantined ──────┘ once nobody counts on what it held
 */
import type { Incarnation, Member, PartitionId, Target } from '@diststore/cluster';
import { APPLIED_NOTHING } from '@diststore/replication';
import type {
  AppliedState,
  Counts,
  DurableWrite,
  InstalledState,
  Replica,
  Role,
  Seq,
} from '@diststore/replication';
import type { Storage } from '@diststore/storage';

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
  /** Why it is quarantined. If `installed` is undefined, row 01 itself is damaged, and what it was is not known. */
  problem: string | undefined;
  private appliedWaiters: { readonly seq: Seq; readonly resolve: () => void }[] = [];

  constructor(
    readonly partition: PartitionId,
    storage: Storage,
  ) {
    this.store = new ReplicaStore(storage, partition);
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
