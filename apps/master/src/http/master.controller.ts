/** The documented master routes: show the cluster, and create a worker. */
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { StoreError, VERSION } from '@diststore/base';
import { describeCluster, parseWorkerIndex } from '@diststore/cluster';
import { Reply } from '@diststore/http';

import type { MasterConfig } from '../master.options.js';
import type { ClusterState } from '../cluster/cluster-state.js';
import type { Recovery } from '../configuration/recovery.js';
import { CLUSTER_STATE, MASTER_CONFIG, RECOVERY, REGISTRY, SUPERVISOR } from '../master.tokens.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';
import type { Supervisor } from '../supervisor/supervisor.js';

@Controller()
export class MasterController {
  constructor(
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
    @Inject(REGISTRY) private readonly registry: WorkerRegistry,
    @Inject(SUPERVISOR) private readonly supervisor: Supervisor,
    @Inject(RECOVERY) private readonly recovery: Recovery,
    @Inject(MASTER_CONFIG) private readonly config: MasterConfig,
  ) {}

  @Get('master')
  show(): object {
    const { heartbeatMs, silentAfterMs, timing } = this.config;
    const { map } = this.state;
    return {
      status: 'connected',
      version: VERSION,
      ...describeCluster(map),
      manager: this.recovery.status(),
      settings: { heartbeatMs, silentAfterMs, timing },
      workers: this.registry.views(),
    };
  }

  @Get('worker/:index')
  async create(@Param('index') text: string): Promise<Reply> {
    const { worker, created } = await this.supervisor.create(workerIndexOf(text));
    return Reply.json(created ? 201 : 200, worker);
  }
}

/** @throws StoreError bad-worker-index */
export function workerIndexOf(text: string): number {
  const index = parseWorkerIndex(text);
  if (index === undefined) {
    throw new StoreError('bad-worker-index', `${JSON.stringify(text)} is not a worker index.`, {
      facts: { index: text },
    });
  }
  return index;
}
