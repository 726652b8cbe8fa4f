/** Wiring only: what a master is made of. Opened here in order; closed by start-master.ts in reverse. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { DynamicModule, Provider } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { VERSION } from '@diststore/base';
import { decide, type MasterStart } from '@diststore/cluster';
import { OperationsModule } from '@diststore/http';
import { LevelMetadataStore, type MetadataStore } from '@diststore/metadata';
import type { Program } from '@diststore/process';
import { systemClock, urlOf } from '@diststore/process';
import { openStore, type Storage, STORAGE, StorageModule } from '@diststore/storage';

import { ClusterState } from './cluster/cluster-state.js';
import type { Formation } from './cluster/formation.js';
import { PartitionCreator } from './cluster/partition-creator.js';
import { MANAGER_TIMINGS } from './configuration/manager-timing.js';
import { ProposalQueue } from './configuration/proposal-queue.js';
import { Recovery } from './configuration/recovery.js';
import { ClusterController } from './http/cluster.controller.js';
import { MapController } from './http/map.controller.js';
import { MasterController } from './http/master.controller.js';
import { MembershipController } from './http/membership.controller.js';
import { PartitionsController } from './http/partitions.controller.js';
import { ProposalsController } from './http/proposals.controller.js';
import { RedirectController } from './http/redirect.controller.js';
import { TopologyController } from './http/topology.controller.js';
import { WorkersController } from './http/workers.controller.js';
import type { MasterConfig } from './master.options.js';
import {
  CLUSTER_STATE,
  DEPARTURES,
  LIFECYCLE,
  MASTER_CONFIG,
  MASTER_START,
  METADATA_STORE,
  PARTITION_CREATOR,
  PROPOSALS,
  RECONCILER,
  RECOVERY,
  REGISTRY,
  SUPERVISOR,
} from './master.tokens.js';
import { Departures } from './reconcile/departures.js';
import { Reconciler } from './reconcile/reconciler.js';
import { WorkerRegistry } from './registry/worker-registry.js';
import { Supervisor } from './supervisor/supervisor.js';

/** Both apps are built into one tree, so that either can start the other. */
const WORKER_PROGRAM = fileURLToPath(new URL('../../worker/src/main.js', import.meta.url));

@Module({})
export class MasterModule {
  static forRoot(program: Program<MasterConfig>): DynamicModule {
    const { config, lifecycle, logger } = program;
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
        ProposalsController,
        MembershipController,
        PartitionsController,
      ],
      providers: [
        { provide: MASTER_CONFIG, useValue: config },
        { provide: LIFECYCLE, useValue: lifecycle },
        {
          provide: MASTER_START,
          inject: [STORAGE],
          useFactory: async (storage: Storage): Promise<MasterStart> => {
            const { boot, nonce } = await openStore(storage, { kind: 'master', index: 0 });
            return { boot, nonce };
          },
        },
        {
          // After the header: a store that is not a master's must not be read.
          provide: METADATA_STORE,
          inject: [STORAGE, MASTER_START],
          useFactory: (storage: Storage) => LevelMetadataStore.open(storage, { clock: systemClock }),
        },
        {
          provide: CLUSTER_STATE,
          inject: [METADATA_STORE],
          useFactory: (store: MetadataStore) =>
            ClusterState.open(store, formationOf(config), (error) => lifecycle.fatal(error)),
        },
        ...configurationProviders(program),
        {
          provide: REGISTRY,
          inject: [CLUSTER_STATE, RECOVERY, MASTER_START],
          useFactory: (state: ClusterState, recovery: Recovery, master: MasterStart) => {
            const { heartbeatMs, silentAfterMs, timing } = config;
            const options = { heartbeatMs, silentAfterMs, timing, master };
            return new WorkerRegistry(state, systemClock, logger, recovery, options);
          },
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

/** Who changes and creates configurations, and plans where they go. */
function configurationProviders({ config, logger }: Program<MasterConfig>): Provider[] {
  const { startupQuietMs, replaceAfterMs } = MANAGER_TIMINGS[config.timing];
  return [
    {
      provide: RECOVERY,
      inject: [CLUSTER_STATE, MASTER_START],
      useFactory: (state: ClusterState, master: MasterStart) =>
        new Recovery(state, systemClock, logger, { master, startupQuietMs }),
    },
    {
      provide: PROPOSALS,
      inject: [CLUSTER_STATE, RECOVERY],
      useFactory: (state: ClusterState, recovery: Recovery) =>
        new ProposalQueue(state, decide, () => recovery.refusal()),
    },
    {
      provide: PARTITION_CREATOR,
      inject: [CLUSTER_STATE, RECOVERY],
      useFactory: (state: ClusterState, recovery: Recovery) => {
        const expected = config.bootstrapExpect ?? Math.max(1, config.workers);
        return new PartitionCreator(state, logger, expected, () => recovery.refusal());
      },
    },
    {
      provide: DEPARTURES,
      inject: [CLUSTER_STATE, REGISTRY, SUPERVISOR],
      useFactory: (state: ClusterState, registry: WorkerRegistry, supervisor: Supervisor) =>
        new Departures(state, registry, (index) => supervisor.remove(index), logger),
    },
    {
      provide: RECONCILER,
      inject: [CLUSTER_STATE, REGISTRY, RECOVERY, PROPOSALS, PARTITION_CREATOR, DEPARTURES],
      useFactory: (
        state: ClusterState,
        registry: WorkerRegistry,
        recovery: Recovery,
        proposals: ProposalQueue,
        creator: PartitionCreator,
        departures: Departures,
      ) =>
        new Reconciler(state, registry, { recovery, proposals, creator }, departures, {
          replaceAfterMs: config.replaceAfterMs ?? replaceAfterMs,
          clock: systemClock,
          log: logger,
        }),
    },
  ];
}

function formationOf({ placement, partitions, replicationFactor, clusterId }: MasterConfig): Formation {
  return placement === 'local'
    ? { placement, takeOver: clusterId }
    : { placement, partitionCount: partitions, replicationFactor, takeOver: clusterId };
}
