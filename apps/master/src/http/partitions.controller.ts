/** The operator's last resort for one partition. Not for browsers: any page could send it. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import {
  describePartition,
  isIncarnation,
  isPartitionId,
  isWorkerIndex,
  proposalId,
} from '@diststore/cluster';
import type { PartitionDescription } from '@diststore/cluster';
import { refuseBrowser } from '@diststore/http';

import type { ClusterState } from '../cluster/cluster-state.js';
import { forceProposal } from '../configuration/force-proposal.js';
import type { ProposalQueue } from '../configuration/proposal-queue.js';
import { CLUSTER_STATE, PROPOSALS } from '../master.tokens.js';
import { readOptions } from './read-json.js';

@Controller('v1/partitions')
export class PartitionsController {
  constructor(
    @Inject(CLUSTER_STATE) private readonly state: ClusterState,
    @Inject(PROPOSALS) private readonly proposals: ProposalQueue,
  ) {}

  /**
   * `{"worker": 2, "acceptDataLoss": true, "incarnation": "…"}`: makes this replica the only one, as primary. Whoever
   * asks vouches that all others are stopped for good. `acceptDataLoss` is needed unless it holds every acknowledged
   * write for certain, `incarnation` if it is in sync no more.
   * @throws StoreError browser-refused, bad-request, bad-parameter, retry-later
   */
  @Post(':partition/force')
  @HttpCode(200)
  async force(
    @Param('partition') text: string,
    @Req() request: IncomingMessage,
  ): Promise<PartitionDescription> {
    refuseBrowser(request, '`curl -X POST` from a terminal');
    const partition = /^\d{1,5}$/.test(text) ? Number(text) : undefined;
    const { worker, incarnation, acceptDataLoss = false } = await readOptions(request);
    if (!isPartitionId(partition) || partition >= this.state.map.partitionLimit)
      throw new StoreError('bad-parameter', `${JSON.stringify(text)} is not a partition.`);
    if (!isWorkerIndex(worker) || typeof acceptDataLoss !== 'boolean')
      throw new StoreError('bad-request', 'worker is not a worker index, or acceptDataLoss not a boolean.');
    if (incarnation !== undefined && !isIncarnation(incarnation))
      throw new StoreError('bad-request', 'incarnation is not 16 hex digits.');
    const proposal = forceProposal(this.state.map, {
      partition,
      worker,
      incarnation,
      acceptDataLoss,
      id: proposalId(randomBytes(16).toString('hex')),
    });
    const [decision] = await this.proposals.propose([proposal]);
    switch (decision?.answer) {
      case 'accepted':
      case 'already-accepted':
        return describePartition(this.state.map, partition);
      case 'refused':
        throw new StoreError('bad-parameter', `Refused: ${decision.reason}.`, {
          facts: { reason: decision.reason },
        });
      default:
        throw new StoreError(
          'retry-later',
          `Partition ${partition} has just changed. Look at it again first.`,
        );
    }
  }
}
