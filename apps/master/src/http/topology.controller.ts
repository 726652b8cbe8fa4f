/** What the cluster map says, for people and tools. */
import { Controller, Get, Inject } from '@nestjs/common';
import type { ClusterDescription, PartitionDescription, WorkerDescription } from '@diststore/cluster';
import { describeCluster, describePartitions, describeWorkers } from '@diststore/cluster';

import type { ClusterState } from '../cluster/cluster-state.js';
import { CLUSTER_STATE } from '../master.tokens.js';

@Controller('v1')
export class TopologyController {
  constructor(@Inject(CLUSTER_STATE) private readonly state: ClusterState) {}

  @Get('cluster')
  cluster(): ClusterDescription {
    return describeCluster(this.state.map);
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
