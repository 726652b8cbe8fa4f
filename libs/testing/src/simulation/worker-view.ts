/** A worker as the checker sees it: from outside, and through its disk. */
import type { Incarnation, StoreId, WorkerIndex } from '@diststore/cluster';

import type { ObservedReplica } from './observed-replica.js';
import type { SimulatedDisk } from './simulated-disk.js';

export interface WorkerView {
  readonly index: WorkerIndex;
  readonly name: string;
  readonly store: StoreId;
  readonly disk: SimulatedDisk;
  readonly isUp: boolean;
  readonly replicas: ReadonlyMap<number, ObservedReplica>;
  /** Partitions whose log on disk is damaged, which the next start will notice. */
  readonly damaged: ReadonlySet<number>;
  /** Replicas that were found damaged and erased: what they held is lost, and known to be. */
  readonly lost: ReadonlySet<Incarnation>;
  /** Whether it may serve, were it asked now. */
  mayServe(partition: number): boolean;
  /** Whether what it has on disk says that it is the only replica, and that nobody listens to it. */
  isSole(partition: number): boolean;
}
