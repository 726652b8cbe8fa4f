/** Wiring only: what a worker is made of. Opened here in order; closed by start-worker.ts in reverse. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';

import type { DynamicModule, Provider } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { StoreError, VERSION } from '@diststore/base';
import type { Address, ClusterId, StoreId } from '@diststore/cluster';
import { workerIndex } from '@diststore/cluster';
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

import { MapFollower } from './cluster/map-follower.js';
import { standaloneMap } from './cluster/standalone.js';
import { Keyspace } from './data/keyspace.js';
import { PartitionHost } from './data/partition-host.js';
import type { StorageMetrics } from './data/storage-metrics.js';
import { Sweeper } from './data/sweeper.js';
import { DataController } from './http/data.controller.js';
import { DataOperations } from './http/data-operations.js';
import { KvController } from './http/kv.controller.js';
import { LegacyWritesController } from './http/legacy-writes.controller.js';
import { TopologyController } from './http/topology.controller.js';
import { WorkerController } from './http/worker.controller.js';
import { MasterLink } from './membership/master-link.js';
import { Peers } from './routing/peers.js';
import { Router } from './routing/router.js';
import type { WorkerIdentity } from './worker-identity.js';
import { type WorkerConfig, workerIndexOf } from './worker.options.js';
import {
  KEYSPACE,
  MASTER_LINK,
  NONCE,
  STORE_HEADER,
  WORKER_CONFIG,
  WORKER_IDENTITY,
} from './worker.tokens.js';

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
        }),
        OperationsModule.forRoot({ name: 'diststore-worker', version: VERSION }),
      ],
      controllers: [
        DataController,
        LegacyWritesController,
        KvController,
        TopologyController,
        WorkerController,
      ],
      providers: [
        DataOperations,
        { provide: WORKER_CONFIG, useValue: config },
        { provide: LEGACY_WRITES, useValue: config.legacyGetWrites },
        { provide: NONCE, useValue: randomBytes(16).toString('hex') },
        ...dataProviders(program),
        ...clusterProviders(program),
      ],
    };
  }
}

function directoryOf(config: WorkerConfig): string {
  return path.resolve(config.dataDir, `worker-${workerIndexOf(config)}`);
}

/** Where others reach this worker. */
function addressOf(config: WorkerConfig): Address {
  const host = config.advertisedHost ?? new URL(urlOf(config.host, config.httpPort)).hostname;
  return { host, port: config.httpPort };
}

function dataProviders({ config, logger }: Program<WorkerConfig>): Provider[] {
  const index = workerIndexOf(config);
  return [
    {
      provide: STORE_HEADER,
      inject: [STORAGE],
      useFactory: (storage: Storage) => openStore(storage, { kind: 'worker', index }),
    },
    {
      // After the header: a store that is not this worker's must not be read.
      provide: PartitionHost,
      inject: [STORAGE, STORE_HEADER],
      useFactory: (storage: Storage, header: StoreHeader) => {
        const self = { worker: workerIndex(index), store: header.storeId as StoreId };
        return PartitionHost.open(storage, self, systemClock, logger);
      },
    },
    {
      provide: FreeSpace,
      inject: [STORAGE],
      useFactory: () =>
        config.storage === 'level'
          ? FreeSpace.watch({ directory: directoryOf(config), reserveBytes: config.diskReserveBytes })
          : undefined,
    },
    {
      provide: KEYSPACE,
      inject: [Router, PartitionHost],
      useFactory: (router: Router, host: PartitionHost) => new Keyspace(router, host, config),
    },
    {
      provide: Sweeper,
      inject: [PartitionHost],
      useFactory: (host: PartitionHost) => new Sweeper(host, logger, config.sweepIntervalMs),
    },
  ];
}

function clusterProviders({ config, lifecycle, logger }: Program<WorkerConfig>): Provider[] {
  const index = workerIndexOf(config);
  const { masterUrl } = config;
  return [
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
      provide: Peers,
      inject: [STORE_HEADER, NONCE],
      useFactory: ({ storeId: store, boot }: StoreHeader, nonce: string) => {
        const peers: Peers = new Peers({
          self: { worker: index, store, boot, nonce },
          maxValueBytes: config.maxValueBytes,
          random: Math.random,
          lifecycle,
          log: logger,
        });
        return peers;
      },
    },
    {
      provide: MapFollower,
      inject: [STORAGE, STORE_HEADER, PartitionHost, Peers],
      useFactory: async (storage: Storage, header: StoreHeader, host: PartitionHost, peers: Peers) => {
        const follower = await MapFollower.open({
          masterUrl,
          storage,
          log: logger,
          onMap: async (map) => {
            await host.adopt(map);
            peers.follow(map);
          },
        });
        if (config.standalone) {
          if (header.clusterId !== null) {
            const detail = `The store belongs to cluster ${header.clusterId}. Start it without --standalone.`;
            throw new StoreError('store-format', detail);
          }
          const self = {
            index: workerIndex(index),
            store: header.storeId as StoreId,
            http: addressOf(config),
          };
          await follower.adopt(standaloneMap(self));
        }
        return follower;
      },
    },
    {
      provide: Router,
      inject: [PartitionHost, MapFollower, Peers, FreeSpace],
      useFactory: (
        host: PartitionHost,
        follower: MapFollower,
        peers: Peers,
        freeSpace: FreeSpace | undefined,
      ) => {
        const router = new Router(workerIndex(index), host, follower, peers, freeSpace);
        peers.onQuestion((question) => router.answer(question));
        return router;
      },
    },
    {
      provide: MASTER_LINK,
      inject: [STORAGE, STORE_HEADER, KEYSPACE, MapFollower, NONCE],
      useFactory: (
        storage: Storage,
        header: StoreHeader,
        keyspace: Keyspace,
        follower: MapFollower,
        nonce: string,
      ) => {
        if (config.standalone) return undefined;
        const { host } = addressOf(config);
        // A store that stood alone has a map, of a cluster of its own, and the master refuses it by that.
        let clusterId = header.clusterId ?? follower.current?.settings.clusterId ?? null;
        return new MasterLink({
          masterUrl,
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
            http: addressOf(config),
            labels: { host: config.labelHost ?? host, zone: config.labelZone ?? '' },
            weight: config.weight,
          }),
          joined: async (welcomed) => {
            if (clusterId !== null && clusterId !== welcomed.clusterId) {
              const detail = `this store belongs to cluster ${clusterId}, the master to ${welcomed.clusterId}`;
              throw new StoreError('worker-refused', detail, { facts: { final: true } });
            }
            if (clusterId === null) await writeHeader(storage, { ...header, clusterId: welcomed.clusterId });
            clusterId = welcomed.clusterId;
            // Whoever hears that this worker serves may ask it at once.
            await follower.refresh();
            follower.required();
          },
        });
      },
    },
  ];
}
