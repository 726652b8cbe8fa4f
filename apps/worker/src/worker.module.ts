/** Wiring only: what a worker is made of. Opened here in order; closed by start-worker.ts in reverse. */
import path from 'node:path';

import type { DynamicModule, Provider } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { VERSION } from '@diststore/base';
import type { Address } from '@diststore/cluster';
import { workerIndex } from '@diststore/cluster';
import { LEGACY_WRITES, OperationsModule } from '@diststore/http';
import type { Program } from '@diststore/process';
import { reachableHost, urlOf } from '@diststore/process';
import {
  FreeSpace,
  openStore,
  type Storage,
  STORAGE,
  StorageModule,
  type StoreHeader,
} from '@diststore/storage';

import { type DamagedStoreOptions, setAside, writeNote } from './cluster/damaged-store.js';
import { MapFollower } from './cluster/map-follower.js';
import { WorkerCluster } from './cluster/worker-cluster.js';
import type { StorageMetrics } from './data/storage-metrics.js';
import { BulkController } from './http/bulk.controller.js';
import { DataController } from './http/data.controller.js';
import { DataOperations } from './http/data-operations.js';
import { KvController } from './http/kv.controller.js';
import { LegacyWritesController } from './http/legacy-writes.controller.js';
import { ApiDocumentController } from './http/openapi/api-document.controller.js';
import { TopologyController } from './http/topology.controller.js';
import { WorkerController } from './http/worker.controller.js';
import { redisAddresses, redisPlans } from './redis/start-redis.js';
import { ReplicaMetrics } from './replication/replica-metrics.js';
import { WorkerReplicas } from './replication/worker-replicas.js';
import type { WorkerIdentity } from './worker-identity.js';
import { type WorkerConfig, workerIndexOf } from './worker.options.js';
import {
  KEYSPACE,
  MASTER_LINK,
  REPLICA_METRICS,
  STORE_HEADER,
  WORKER_CONFIG,
  WORKER_IDENTITY,
} from './worker.tokens.js';

/** Every route that is this worker's own: those of any process are in OperationsModule. */
export const CONTROLLERS = [
  DataController,
  LegacyWritesController,
  KvController,
  BulkController,
  ApiDocumentController,
  TopologyController,
  WorkerController,
];

@Module({})
export class WorkerModule {
  static forRoot(program: Program<WorkerConfig>, storageMetrics: StorageMetrics): DynamicModule {
    const { config } = program;
    const index = workerIndexOf(config);
    return {
      module: WorkerModule,
      imports: [
        StorageModule.forRoot({
          provider: config.storage,
          directory: directoryOf(config),
          owner: `worker ${index}`,
          cacheBytes: config.cacheBytes,
          writeBufferBytes: config.writeBufferBytes,
          tableCheckBytes: config.tableCheckBytes,
          observer: storageMetrics,
          ...(config.standalone ? {} : { onDamaged: (damage) => setAside(damage, damagedStoreOf(program)) }),
        }),
        OperationsModule.forRoot({ name: 'diststore-worker', version: VERSION }),
      ],
      controllers: CONTROLLERS,
      providers: [
        DataOperations,
        { provide: WORKER_CONFIG, useValue: config },
        { provide: LEGACY_WRITES, useValue: config.legacyGetWrites },
        ...storeProviders(program),
        ...clusterProviders(program),
      ],
    };
  }
}

function damagedStoreOf({ config, logger }: Program<WorkerConfig>): DamagedStoreOptions {
  const index = workerIndex(workerIndexOf(config));
  return { directory: directoryOf(config), index, masterUrl: config.masterUrl, log: logger };
}

function directoryOf(config: WorkerConfig): string {
  return path.resolve(config.dataDir, `worker-${workerIndexOf(config)}`);
}

/** Where others reach this worker. */
function addressOf(config: WorkerConfig): Address {
  return { host: config.advertisedHost ?? reachableHost(config.host), port: config.httpPort };
}

function storeProviders({ config }: Program<WorkerConfig>): Provider[] {
  const index = workerIndexOf(config);
  return [
    {
      // Before anything is read: a store that is not this worker's is left alone.
      provide: STORE_HEADER,
      inject: [STORAGE],
      useFactory: (storage: Storage) => openStore(storage, { kind: 'worker', index }),
    },
    {
      provide: WORKER_IDENTITY,
      inject: [STORE_HEADER],
      useFactory: ({ storeId, boot }: StoreHeader): WorkerIdentity => ({
        index,
        url: urlOf(config.advertisedHost ?? config.host, config.httpPort),
        storeId,
        boot,
        pid: process.pid,
        version: VERSION,
        since: new Date().toISOString(),
      }),
    },
    {
      provide: FreeSpace,
      inject: [STORAGE],
      useFactory: () =>
        config.storage === 'level'
          ? FreeSpace.watch({ directory: directoryOf(config), reserveBytes: config.diskReserveBytes })
          : undefined,
    },
  ];
}

function clusterProviders({ config, lifecycle, logger }: Program<WorkerConfig>): Provider[] {
  const index = workerIndexOf(config);
  return [
    {
      provide: REPLICA_METRICS,
      useFactory: () => new ReplicaMetrics(),
    },
    {
      provide: WorkerCluster,
      inject: [STORAGE, STORE_HEADER, FreeSpace, REPLICA_METRICS],
      useFactory: (
        storage: Storage,
        header: StoreHeader,
        freeSpace: FreeSpace | undefined,
        observer: ReplicaMetrics,
      ) => {
        const { host } = addressOf(config);
        return WorkerCluster.open({
          storage,
          header,
          index: workerIndex(index),
          masterUrl: config.masterUrl,
          standalone: config.standalone,
          limits: { maxValueBytes: config.maxValueBytes, freeSpace },
          logBudgetBytes: config.logBudgetBytes,
          recordCacheBytes: config.recordCacheBytes,
          onJoined: async (clusterId) => {
            if (config.storage === 'level')
              await writeNote(directoryOf(config), { storeId: header.storeId, clusterId });
          },
          announced: {
            http: addressOf(config),
            ...redisAddresses(redisPlans(config)),
            labels: { host: config.labelHost ?? host, zone: config.labelZone ?? '' },
            weight: config.weight,
          },
          observer,
          lifecycle,
          log: logger,
        });
      },
    },
    { provide: MapFollower, inject: [WorkerCluster], useFactory: ({ follower }: WorkerCluster) => follower },
    {
      provide: WorkerReplicas,
      inject: [WorkerCluster],
      useFactory: ({ replicas }: WorkerCluster) => replicas,
    },
    { provide: MASTER_LINK, inject: [WorkerCluster], useFactory: ({ master }: WorkerCluster) => master },
    { provide: KEYSPACE, inject: [WorkerCluster], useFactory: ({ keyspace }: WorkerCluster) => keyspace },
  ];
}
