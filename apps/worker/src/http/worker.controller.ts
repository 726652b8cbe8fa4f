/** The documented worker routes: connect this worker to its master, and have the master create another one. */
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { StoreError } from '@diststore/base';
import { Reply } from '@diststore/http';
import { request } from 'undici';

import type { Keyspace } from '../data/keyspace.js';
import type { LinkStatus, MasterLink } from '../membership/master-link.js';
import { WorkerReplicas } from '../replication/worker-replicas.js';
import type { WorkerConfig } from '../worker.options.js';
import { KEYSPACE, MASTER_LINK, WORKER_CONFIG, WORKER_IDENTITY } from '../worker.tokens.js';
import type { WorkerIdentity } from '../worker-identity.js';
import { Described } from './openapi/described.js';

/** The master answers when the new worker serves, or says why it does not. */
const CREATE_TIMEOUT_MS = 60_000;

@Controller('worker')
export class WorkerController {
  constructor(
    @Inject(WORKER_IDENTITY) private readonly identity: WorkerIdentity,
    @Inject(KEYSPACE) private readonly keyspace: Keyspace,
    @Inject(WorkerReplicas) private readonly replicas: WorkerReplicas,
    @Inject(MASTER_LINK) private readonly master: MasterLink | undefined,
    @Inject(WORKER_CONFIG) private readonly config: WorkerConfig,
  ) {}

  @Get()
  @Described({
    tag: 'workers',
    summary: 'Connects this worker to its master, and shows it',
    answers: { 200: 'What this worker is.' },
  })
  async connect(): Promise<object> {
    const master: LinkStatus | { state: 'standalone' } = (await this.master?.connect()) ?? {
      state: 'standalone',
    };
    const { keys, bytes } = this.keyspace;
    return {
      ...this.identity,
      state: 'serving',
      keys,
      bytes,
      partitions: this.replicas.primaries().length,
      master,
    };
  }

  @Get(':index')
  @Described({
    tag: 'workers',
    summary: 'Has the master create a worker',
    parameters: [{ name: 'index', in: 'path', description: 'Its number, 1 to 999.', example: 2 }],
    answers: { 200: 'It runs already.', 201: 'It runs now.' },
  })
  async create(@Param('index') index: string): Promise<Reply> {
    const url = new URL(`/worker/${encodeURIComponent(index)}`, this.config.masterUrl);
    try {
      const answer = await request(url, {
        headersTimeout: CREATE_TIMEOUT_MS,
        bodyTimeout: CREATE_TIMEOUT_MS,
      });
      const body = await answer.body.text();
      return new Reply(answer.statusCode, ['Content-Type', String(answer.headers['content-type'])], body);
    } catch (cause) {
      const detail = `The master at ${this.config.masterUrl} creates workers, and it does not answer.`;
      throw new StoreError('retry-later', detail, { cause });
    }
  }
}
