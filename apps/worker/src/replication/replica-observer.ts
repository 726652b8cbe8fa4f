/** What a replica host tells whoever keeps metrics and logs. Every method may be left out; none may throw. */
import type { PartitionId, Ver, WorkerIndex } from '@diststore/cluster';
import type { Role } from '@diststore/replication';

export interface ReplicaObserver {
  /** A replica takes on a role. `primary` by a promotion is a failover. */
  role?(partition: PartitionId, role: Role, ver: Ver | null): void;
  failover?(partition: PartitionId): void;
  /** A write of a client was committed, so long after it was handed over. */
  committed?(durationMs: number): void;
  /** A snapshot was begun, sent as a whole, or given up. */
  snapshot?(partition: PartitionId, to: WorkerIndex, what: 'begun' | 'sent' | 'given-up'): void;
  /** So many damaged rows about requests were left out of a snapshot of the only copy. */
  lost?(partition: PartitionId, rows: number): void;
  /** A replica was found unusable; `sole`: it is the only copy, and stays down for a person to look at. */
  quarantined?(partition: PartitionId, reason: string, options: { sole: boolean }): void;
  /** A replica was erased, because it was quarantined or is not wanted here any more. */
  erased?(partition: PartitionId): void;
  /** A message that could not be read; its connection was closed. */
  malformed?(worker: WorkerIndex, lane: string): void;
  /** The times of this peer cannot be used with ours. */
  mismatch?(partition: PartitionId, worker: WorkerIndex, leaseMs: number): void;
  /** The event loop stood still for so long. */
  stalled?(durationMs: number): void;
  /** The clocks of this machine disagree: leases were given back. */
  clockJumped?(): void;
}
