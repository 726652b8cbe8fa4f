/** Operator verbs for the whole cluster. Not for browsers: any page could send them. */
import type { IncomingMessage } from 'node:http';

import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { isWorkerIndex, WORKER_INDEX_MAX } from '@diststore/cluster';
import type { WorkerIndex } from '@diststore/cluster';
import { refuseBrowser } from '@diststore/http';
import type { Lifecycle } from '@diststore/process';

import type { Recovery, RecoveryStatus } from '../configuration/recovery.js';
import { LIFECYCLE, RECOVERY, SUPERVISOR } from '../master.tokens.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { readOptions } from './read-json.js';

@Controller('v1/cluster')
export class ClusterController {
  constructor(
    @Inject(SUPERVISOR) private readonly supervisor: Supervisor,
    @Inject(LIFECYCLE) private readonly lifecycle: Lifecycle,
    @Inject(RECOVERY) private readonly recovery: Recovery,
  ) {}

  /**
   * Stops the workers that this master started, without handing anything over, and then the master.
   * @throws StoreError browser-refused
   */
  @Post('stop')
  @HttpCode(202)
  stop(@Req() request: IncomingMessage): object {
    refuseBrowser(request, '`curl -X POST` from a terminal');
    void this.supervisor.stop({ stopWorkers: true }).then(() => this.lifecycle.stop('POST /v1/cluster/stop'));
    return { stopping: true };
  }

  /**
   * `{"lost": [3], "restored": true, "partitionsLost": true}`: goes on with a recovery without workers that are lost
   * for good; says first that the master's data is an old backup; and that partitions of a cluster that is taken over
   * of which no worker tells are lost with their data, and to be created anew. Answers with the partitions at risk: what only a lost worker knew is lost.
   * @throws StoreError browser-refused, bad-request, worker-not-found
   */
  @Post('recover')
  @HttpCode(202)
  async recover(@Req() request: IncomingMessage): Promise<RecoveryStatus & { atRisk: readonly number[] }> {
    refuseBrowser(request, '`curl -X POST` from a terminal');
    const { lost = [], restored = false, partitionsLost = false } = await readOptions(request);
    const isList = (value: unknown): value is WorkerIndex[] =>
      Array.isArray(value) && value.length <= WORKER_INDEX_MAX && value.every(isWorkerIndex);
    if (!isList(lost) || typeof restored !== 'boolean' || typeof partitionsLost !== 'boolean')
      throw new StoreError(
        'bad-request',
        'lost is not a list of worker indices, or restored or partitionsLost not a boolean.',
      );
    if (partitionsLost) this.recovery.declarePartitionsLost();
    if (restored) this.recovery.declareRestored();
    const { atRisk } = await this.recovery.declareLost(lost);
    return { ...this.recovery.status(), atRisk };
  }
}
