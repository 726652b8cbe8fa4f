/** What workers say to the master about themselves. */
import type { IncomingMessage } from 'node:http';

import { Controller, HttpCode, Inject, Param, Put, Req } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { parseHeartbeat, parseRegistration, type Welcomed } from '@diststore/cluster';
import { readBody } from '@diststore/http';

import type { PartitionCreator } from '../cluster/partition-creator.js';
import { PARTITION_CREATOR, REGISTRY } from '../master.tokens.js';
import type { WorkerRegistry } from '../registry/worker-registry.js';
import { workerIndexOf } from './master.controller.js';

/** A registration is a few hundred bytes. */
const MESSAGE_BYTES_MAX = 16 * 1024;

@Controller('v1/workers')
export class WorkersController {
  constructor(
    @Inject(REGISTRY) private readonly registry: WorkerRegistry,
    @Inject(PARTITION_CREATOR) private readonly creator: PartitionCreator,
  ) {}

  @Put(':index/registration')
  async register(@Param('index') index: string, @Req() request: IncomingMessage): Promise<Welcomed> {
    const welcomed = await this.registry.register(
      workerIndexOf(index),
      parseRegistration(await readJson(request)),
    );
    // If this fails the worker registers again, and so tries it again.
    await this.creator.run();
    return welcomed;
  }

  @Put(':index/heartbeat')
  @HttpCode(204)
  async heartbeat(@Param('index') index: string, @Req() request: IncomingMessage): Promise<void> {
    if (!this.registry.heartbeat(workerIndexOf(index), parseHeartbeat(await readJson(request)))) {
      throw new StoreError(
        'worker-not-found',
        `Worker ${index} is not registered as this process. Register first.`,
      );
    }
  }
}

/** @throws StoreError bad-request: not JSON; value-too-large. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const body = await readBody(request, {
    maxBytes: MESSAGE_BYTES_MAX,
    setting: 'of a message between processes',
  });
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new StoreError('bad-request', 'The body is not JSON.', { cause });
  }
}
