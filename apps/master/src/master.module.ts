/** Wiring only: what a master is made of. Opened here in order; closed by start-master.ts in reverse. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { DynamicModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { VERSION } from '@diststore/base';
import { OperationsModule } from '@diststore/http';
import { LevelMetadataStore, type MetadataStore } from '@diststore/metadata';
import type { Program } from '@diststore/process';
import { systemClock, urlOf } from '@diststore/process';
import { openStore, type Storage, STORAGE, StorageModule } from '@diststore/storage';

import { ClusterState, type Formation } from './cluster/cluster-state.js';
import { PartitionCreator } from './cluster/partition-creator.js';
import { ClusterController } from './http/cluster.controller.js';
import { MapController } from './http/map.controller.js';
import { MasterController } from './http/master.controller.js';
import { RedirectController } from './http/redirect.controller.js';
import { TopologyController } from './http/topology.controller.js';
import { WorkersController } from './http/workers.controller.js';
import type { MasterConfig } from './master.options.js';
import {
  CLUSTER_STATE,
  LIFECYCLE,
  MASTER_CONFIG,
  METADATA_STORE,
  PARTITION_CREATOR,
  REGISTRY,
  SUPERVISOR,
} from './master.tokens.js';
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
      controllers: [
        MasterController,
        WorkersController,
        MapController,
        TopologyController,
        RedirectController,
        ClusterController,
      ],
      providers: [
        { provide: MASTER_CONFIG, useValue: config },
        { provide: LIFECYCLE, useValue: lifecycle },
        {
          provide: METADATA_STORE,
          inject: [STORAGE],
          useFactory: async (storage: Storage) => {
            await openStore(storage, { kind: 'master', index: 0 });
            return LevelMetadataStore.open(storage, { clock: systemClock });
          },
        },
        {
          provide: CLUSTER_STATE,
          inject: [METADATA_STORE],
          useFactory: (store: MetadataStore) =>
            ClusterState.open(store, formationOf(config), (error) => lifecycle.fatal(error)),
        },
        {
          provide: PARTITION_CREATOR,
          inject: [CLUSTER_STATE],
          useFactory: (state: ClusterState) =>
            new PartitionCreator(state, logger, config.bootstrapExpect ?? Math.max(1, config.workers)),
        },
        {
          provide: REGISTRY,
          inject: [CLUSTER_STATE],
          useFactory: (state: ClusterState) => new WorkerRegistry(state, systemClock, logger, config),
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

/** Every value on one worker, until partitions are replicated. */
const REPLICATION_FACTOR = 1;

function formationOf({ placement, partitions }: MasterConfig): Formation {
  return placement === 'local'
    ? { placement }
    : { placement, partitionCount: partitions, replicationFactor: REPLICATION_FACTOR };
}
