/** The partitions of this worker as the router sees them: one object for each, for the life of the process. */
import type { ClusterMap, Configuration, PartitionId } from '@diststore/cluster';
import type { Storage } from '@diststore/storage';

import type { ReplicaHost } from './replica-host.js';
import { ReplicatedPartition } from './replicated-partition.js';
import type { WriteLimits } from './write-call.js';

export interface ReplicatedPartitionsOptions {
  readonly storage: Storage;
  readonly limits: WriteLimits;
  readonly wallNowMs: () => number;
}

export class ReplicatedPartitions {
  /** By partition number. */
  private readonly partitions: (ReplicatedPartition | undefined)[] = [];

  constructor(
    private readonly host: ReplicaHost,
    private readonly options: ReplicatedPartitionsOptions,
  ) {}

  /** The partition, if a replica of this worker leads it. Whether it may serve at this moment it says itself. */
  primary(partition: PartitionId): ReplicatedPartition | undefined {
    const found = this.partitions[partition];
    if (found !== undefined) return found.isPrimary ? found : undefined;
    return this.host.leads(partition) ? this.of(partition) : undefined;
  }

  /** The partition, if this worker has a replica of it in whatever role: for stale reads. */
  replica(partition: PartitionId): ReplicatedPartition | undefined {
    return this.host.isRunning(partition) ? this.of(partition) : undefined;
  }

  /** All that a replica of this worker leads. */
  primaries(): ReplicatedPartition[] {
    return Array.from(this.host.leading(), ({ partition }) => this.of(partition));
  }

  /** All that this worker has a replica of. */
  replicas(): ReplicatedPartition[] {
    return Array.from(this.host.running(), ({ partition }) => this.of(partition));
  }

  /** The newest that is known here. */
  configurationOf(partition: PartitionId): Configuration | undefined {
    return this.host.configurationOf(partition);
  }

  /** Takes up a newer map. */
  adopt(map: ClusterMap): void {
    this.host.adopt(map);
  }

  private of(partition: PartitionId): ReplicatedPartition {
    const { storage, limits, wallNowMs } = this.options;
    return (this.partitions[partition] ??= new ReplicatedPartition(
      this.host,
      storage,
      limits,
      wallNowMs,
      partition,
    ));
  }
}
