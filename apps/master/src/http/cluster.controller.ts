/** Operator verbs for the whole cluster. */
import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import type { Lifecycle } from '@diststore/process';

import { LIFECYCLE, SUPERVISOR } from '../master.tokens.js';
import type { Supervisor } from '../supervisor/supervisor.js';

@Controller('v1/cluster')
export class ClusterController {
  constructor(
    @Inject(SUPERVISOR) private readonly supervisor: Supervisor,
    @Inject(LIFECYCLE) private readonly lifecycle: Lifecycle,
  ) {}

  /** Stops the workers that this master started, and then the master. */
  @Post('stop')
  @HttpCode(202)
  stop(): object {
    void this.supervisor.stop({ stopWorkers: true }).then(() => this.lifecycle.stop('POST /v1/cluster/stop'));
    return { stopping: true };
  }
}
