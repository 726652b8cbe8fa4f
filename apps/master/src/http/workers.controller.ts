/** What workers say to the master about themselves. */
import type { IncomingMessage } from 'node:http';

import { Controller, Inject, Param, Put, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { parseHeartbeat, parseRegistration } from '@diststore/cluster';
import type { HeartbeatAnswer, Welcomed } from '@diststore/cluster';

import type { PartitionCreator } from '../cluster/partition-creator.js';
import { PARTITION_CREATOR, REGISTRY } from '../master.tokens.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';
import { workerIndexOf } from './master.controller.js';
import { readJson } from './read-json.js';

/** A few hundred bytes; while the master rebuilds its data, the configurations of 16,384 partitions. */
const REGISTRATION_BYTES_MAX = 32 * 1024 * 1024;

@Controller('v1/workers')
export class WorkersController {
  constructor(
    @Inject(REGISTRY) private readonly registry: WorkerRegistry,
    @Inject(PARTITION_CREATOR) private readonly creator: PartitionCreator,
  ) {}

  @Put(':index/registration')
  async register(@Param('index') index: string, @Req() request: IncomingMessage): Promise<Welcomed> {
    const worker = workerIndexOf(index);
    const registration = parseRegistration(await readJson(request, REGISTRATION_BYTES_MAX));
    const welcomed = await this.registry.register(worker, registration);
    // If this fails the worker registers again, and so tries it again.
    await this.creator.run();
    return welcomed;
  }

  @Put(':index/heartbeat')
  async heartbeat(@Param('index') index: string, @Req() request: IncomingMessage): Promise<HeartbeatAnswer> {
    const answer = this.registry.heartbeat(workerIndexOf(index), parseHeartbeat(await readJson(request)));
    if (answer !== undefined) return answer;
    throw new StoreError(
      'worker-not-found',
      `Worker ${index} is not registered as this process. Register first.`,
    );
  }
}
