/** Wiring only: what a master is made of. Opened here in order; closed by start-master.ts in reverse. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { DynamicModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { VERSION } from '@diststore/base';
import { OperationsModule } from '@diststore/http';
import type { Program } from '@diststore/process';
import { systemClock, urlOf } from '@diststore/process';
import { openStore, type Storage, STORAGE, StorageModule } from '@diststore/storage';

import { ClusterController } from './http/cluster.controller.js';
import { MasterController } from './http/master.controller.js';
import { RedirectController } from './http/redirect.controller.js';
import { WorkersController } from './http/workers.controller.js';
import type { MasterConfig } from './master.options.js';
import { LIFECYCLE, MASTER_CONFIG, METADATA, REGISTRY, SUPERVISOR } from './master.tokens.js';
import { Metadata } from './registry/metadata.js';
import { WorkerRegistry } from './registry/worker-registry.js';
import { Supervisor } from './supervisor/supervisor.js';

/** Both apps are built into one tree, so that either can start the other. */
const WORKER_PROGRAM = fileURLToPath(new URL('../../worker/src/main.js', import.meta.url));

@Module({})
export class MasterModule {
  static forRoot({ config, lifecycle, logger }: Program<MasterConfig>): DynamicModule {
    const dataDir = path.resolve(config.dataDir);
    return {
      module: MasterModule,
      imports: [
        StorageModule.forRoot({
          provider: 'level',
          directory: path.join(dataDir, 'master'),
          owner: 'the master',
          observer: { failed: (error) => lifecycle.fatal(error) },
        }),
        OperationsModule.forRoot({ name: 'diststore-master', version: VERSION }),
      ],
      controllers: [MasterController, WorkersController, RedirectController, ClusterController],
      providers: [
        { provide: MASTER_CONFIG, useValue: config },
        { provide: LIFECYCLE, useValue: lifecycle },
        {
          provide: METADATA,
          inject: [STORAGE],
          useFactory: async (storage: Storage) => {
            await openStore(storage, { kind: 'master', index: 0 });
            return Metadata.open(storage);
          },
        },
        {
          provide: REGISTRY,
          inject: [METADATA],
          useFactory: (metadata: Metadata) => new WorkerRegistry(metadata, systemClock, logger, config),
        },
        {
          provide: SUPERVISOR,
          inject: [REGISTRY],
          useFactory: (registry: WorkerRegistry) =>
            new Supervisor(registry, logger, {
              program: WORKER_PROGRAM,
              host: config.host,
              portBase: config.httpPort,
              masterUrl: urlOf(config.host, config.httpPort),
              dataDir,
              logFormat: config.logFormat,
              startTimeoutMs: config.workerStartTimeoutMs,
              stopDeadlineMs: config.stopDeadlineMs,
              onOutput: (index, line) => process.stdout.write(`[worker ${index}] ${line}\n`),
            }),
        },
      ],
    };
  }
}
