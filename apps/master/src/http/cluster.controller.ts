/** Operator verbs for the whole cluster. */
import type { IncomingMessage } from 'node:http';

import { Controller, HttpCode, Inject, Post, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import type { Lifecycle } from '@diststore/process';

import { LIFECYCLE, SUPERVISOR } from '../master.tokens.js';
import type { Supervisor } from '../supervisor/supervisor.js';

@Controller('v1/cluster')
export class ClusterController {
  constructor(
    @Inject(SUPERVISOR) private readonly supervisor: Supervisor,
    @Inject(LIFECYCLE) private readonly lifecycle: Lifecycle,
  ) {}

  /**
   * Stops the workers that this master started, and then the master. Not for browsers: any page could send it.
   * @throws StoreError browser-refused
   */
  @Post('stop')
  @HttpCode(202)
  stop(@Req() { headers }: IncomingMessage): object {
    if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) {
      throw new StoreError('browser-refused', 'Use `curl -X POST` from a terminal.');
    }
    void this.supervisor.stop({ stopWorkers: true }).then(() => this.lifecycle.stop('POST /v1/cluster/stop'));
    return { stopping: true };
  }
}
