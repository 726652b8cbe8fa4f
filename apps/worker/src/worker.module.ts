/** Wiring only: what a worker is made of. Opened here in order; closed by start-worker.ts in reverse. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

import type { DynamicModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { StoreError, VERSION } from '@diststore/base';
import type { ClusterId, StoreId } from '@diststore/cluster';
import { LEGACY_WRITES, OperationsModule } from '@diststore/http';
import type { Program } from '@diststore/process';
import { systemClock, urlOf } from '@diststore/process';
import {
  FreeSpace,
  openStore,
  type Storage,
  STORAGE,
  StorageModule,
  type StoreHeader,
  writeHeader,
} from '@diststore/storage';

import { Keyspace } from './data/keyspace.js';
import { Partition } from './data/partition.js';
import type { StorageMetrics } from './data/storage-metrics.js';
import { Sweeper } from './data/sweeper.js';
import { DataController } from './http/data.controller.js';
import { DataOperations } from './http/data-operations.js';
import { KvController } from './http/kv.controller.js';
import { LegacyWritesController } from './http/legacy-writes.controller.js';
import { WorkerController } from './http/worker.controller.js';
import { MasterLink } from './membership/master-link.js';
import type { WorkerIdentity } from './worker-identity.js';
import { type WorkerConfig, workerIndexOf } from './worker.options.js';
import {
  KEYSPACE,
  MASTER_LINK,
  PARTITION,
  STORE_HEADER,
  WORKER_CONFIG,
  WORKER_IDENTITY,
} from './worker.tokens.js';

@Module({})
export class WorkerModule {
  static forRoot(program: Program<WorkerConfig>, storageMetrics: StorageMetrics): DynamicModule {
    const { config, lifecycle, logger } = program;
    const index = workerIndexOf(config);
    const directory = path.resolve(config.dataDir, `worker-${index}`);
    return {
      module: WorkerModule,
      imports: [
        StorageModule.forRoot({
          provider: config.storage,
          directory,
          owner: `worker ${index}`,
          cacheBytes: config.cacheBytes,
          writeBufferBytes: config.writeBufferBytes,
          observer: storageMetrics,
        }),
        OperationsModule.forRoot({ name: 'diststore-worker', version: VERSION }),
      ],
      controllers: [DataController, LegacyWritesController, KvController, WorkerController],
      providers: [
        DataOperations,
        { provide: WORKER_CONFIG, useValue: config },
        { provide: LEGACY_WRITES, useValue: config.legacyGetWrites },
        {
          provide: STORE_HEADER,
          inject: [STORAGE],
          useFactory: (storage: Storage) => openStore(storage, { kind: 'worker', index }),
        },
        {
          // After the header: a store that is not this worker's must not be read.
          provide: PARTITION,
          inject: [STORAGE, STORE_HEADER],
          useFactory: (storage: Storage) => Partition.open(storage, index, systemClock),
        },
        {
          provide: FreeSpace,
          inject: [STORAGE],
          useFactory: () =>
            config.storage === 'level'
              ? FreeSpace.watch({ directory, reserveBytes: config.diskReserveBytes })
              : undefined,
        },
        {
          provide: KEYSPACE,
          inject: [PARTITION, FreeSpace],
          useFactory: (partition: Partition, freeSpace: FreeSpace | undefined) =>
            new Keyspace(partition, freeSpace, { workerIndex: index, maxValueBytes: config.maxValueBytes }),
        },
        {
          provide: Sweeper,
          inject: [PARTITION],
          useFactory: (partition: Partition) => new Sweeper(partition, logger, config.sweepIntervalMs),
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
          provide: MASTER_LINK,
          inject: [STORAGE, STORE_HEADER, KEYSPACE],
          useFactory: (storage: Storage, header: StoreHeader, keyspace: Keyspace) => {
            const nonce = randomBytes(16).toString('hex');
            const host = config.advertisedHost ?? new URL(urlOf(config.host, config.httpPort)).hostname;
            let clusterId = header.clusterId;
            return new MasterLink({
              masterUrl: config.masterUrl,
              index,
              lifecycle,
              log: logger,
              heartbeat: () => ({ keys: keyspace.keys, bytes: keyspace.bytes }),
              registration: () => ({
                store: header.storeId as StoreId,
                boot: header.boot,
                nonce,
                clusterId: clusterId as ClusterId | null,
                pid: process.pid,
                http: { host, port: config.httpPort },
              }),
              joined: async (welcomed) => {
                if (clusterId === welcomed.clusterId) return;
                if (clusterId !== null) {
                  const detail = `this store belongs to cluster ${clusterId}, the master to ${welcomed.clusterId}`;
                  throw new StoreError('worker-refused', detail, { facts: { final: true } });
                }
                await writeHeader(storage, { ...header, clusterId: welcomed.clusterId });
                clusterId = welcomed.clusterId;
              },
            });
          },
        },
      ],
    };
  }
}
