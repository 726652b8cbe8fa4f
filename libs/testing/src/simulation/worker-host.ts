/** A worker as its own parts see it: what they may do with its replicas. */
import type { Configuration, StoreStart, WorkerIndex } from '@diststore/cluster';
import type { Effect, Moment, ReplicaEvent } from '@diststore/replication';

import type { Station } from './network.js';
import type { ProcessLife } from './process-life.js';
import type { WorkerView } from './worker-view.js';

export interface WorkerHost extends WorkerView, Station {
  readonly index: WorkerIndex;
  readonly life: ProcessLife;
  readonly boot: number;
  /** The last start that the master has welcomed, and all since, this one last. */
  readonly starts: StoreStart[];
  moment(): Moment;
  /** A damaged record was met. */
  meetDamage(partition: number): void;
  heard(partition: number, configuration: Configuration): void;
  /** At this moment. */
  step(partition: number, event: ReplicaEvent): readonly Effect[];
}
