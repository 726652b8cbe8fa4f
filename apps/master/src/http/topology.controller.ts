/** What the cluster map says, for people and tools. */
import { Controller, Get, Inject } from '@nestjs/common';
import type { ClusterDescription, PartitionDescription, WorkerDescription } from '@diststore/cluster';
import { describeCluster, describePartitions, describeWorkers } from '@diststore/cluster';

import type { ClusterState } from '../cluster/cluster-state.js';
import type { Recovery, RecoveryStatus } from '../configuration/recovery.js';
import { CLUSTER_STATE, RECONCILER, RECOVERY } from '../master.tokens.js';
import type { MovesView, Reconciler } from '../reconcile/reconciler.js';

export interface MasterClusterDescription extends ClusterDescription {
  readonly manager: RecoveryStatus;
  readonly moves: MovesView;
}

@Controller('v1')
export class TopologyController {
  constructor(
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
    @Inject(RECOVERY) private readonly recovery: Recovery,
    @Inject(RECONCILER) private readonly reconciler: Reconciler,
  ) {}

  @Get('cluster')
  cluster(): MasterClusterDescription {
    const manager = this.recovery.status();
    return { ...describeCluster(this.state.map), manager, moves: this.reconciler.view() };
  }

  @Get('workers')
  workers(): WorkerDescription[] {
    return describeWorkers(this.state.map);
  }

  @Get('partitions')
  partitions(): PartitionDescription[] {
    return describePartitions(this.state.map);
  }
}
