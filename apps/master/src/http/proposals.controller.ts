/** Where replicas ask for another configuration of their partition. */
import type { IncomingMessage } from 'node:http';

import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { decodeProposalBatch, encodeDecisions } from '@diststore/cluster';

import { decideBatch } from '../configuration/decide-batch.js';
import type { ProposalQueue } from '../configuration/proposal-queue.js';
import { PROPOSALS, REGISTRY } from '../master.tokens.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';
import { readJson } from './read-json.js';

/** PROPOSALS_PER_BATCH_MAX of the largest, which name 27 members. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

@Controller('v1/proposals')
export class ProposalsController {
  constructor(
    @Inject(REGISTRY) private readonly registry: WorkerRegistry,
    @Inject(PROPOSALS) private readonly proposals: ProposalQueue,
  ) {}

  /**
   * @throws StoreError worker-not-found: whoever speaks is not the registered process of its worker.
   * @throws StoreError retry-later: no proposals are taken now; as ProposalQueue.propose says.
   */
  @Post()
  @HttpCode(200)
  async propose(@Req() request: IncomingMessage): Promise<object> {
    const batch = decodeProposalBatch(await readJson(request, BATCH_BYTES_MAX));
    if (!this.registry.isRegistered(batch.worker, batch.speaker)) {
      const detail = `Worker ${batch.worker} is not registered as this process. Register first.`;
      throw new StoreError('worker-not-found', detail);
    }
    return encodeDecisions(await decideBatch(batch, (proposals) => this.proposals.propose(proposals)));
  }
}
