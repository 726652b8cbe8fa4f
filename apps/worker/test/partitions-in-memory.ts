/** Partitions of one worker for tests: real replicas, each the only one of its partition, and no network. */
import type { ClusterMap, Member, PartitionRecord } from '@diststore/cluster';
import {
  clusterId,
  ClusterMap as Map,
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import { TIMINGS } from '@diststore/replication';
import { MemoryStorage, type Storage } from '@diststore/storage';

import { ReplicaHost } from '../src/replication/replica-host.js';
import { ReplicatedPartitions } from '../src/replication/replicated-partitions.js';
import type { WriteLimits } from '../src/replication/write-call.js';

export interface PartitionsInMemory {
  /** Default: 1. */
  readonly self?: Member;
  readonly map: ClusterMap;
  readonly limits: WriteLimits;
  readonly storage?: Storage;
  /** Milliseconds since the Unix epoch. Default: the machine's. */
  readonly wallNowMs?: () => number;
}

export const SELF: Member = memberNumber(1);

/** The member that worker `index` is in the maps of tests. */
export function memberNumber(index: number): Member {
  return {
    worker: workerIndex(index),
    store: storeId(index.toString(16).padStart(32, '0')),
    incarnation: incarnation(index.toString(16).padStart(16, '0')),
  };
}

/** Opens what `map` gives to `self`. The caller closes the host. */
export async function partitionsInMemory({
  self = SELF,
  map,
  limits,
  storage = new MemoryStorage(),
  wallNowMs = Date.now,
}: PartitionsInMemory): Promise<{ host: ReplicaHost; partitions: ReplicatedPartitions }> {
  const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const host = await ReplicaHost.open({
    storage,
    worker: self.worker,
    store: self.store,
    boot: 1,
    isNewStore: true,
    fence: generation(1),
    timing: TIMINGS.default,
    network: { start: () => undefined, send: () => undefined, hold: () => undefined },
    propose: () => Promise.reject(new Error('there is no master')),
    isMasterReachable: () => false,
    refreshMap: () => Promise.resolve(),
    logBudgetBytes: 1024 * 1024,
    logMemoryBudgetBytes: 1024 * 1024,
    random: Math.random,
    observer: {},
    log: quiet,
    fatal: (error) => {
      throw error instanceof Error ? error : new Error(String(error));
    },
    clocks: {
      monotonicNowMs: () => performance.now(),
      wallNowMs,
      uptimeMs: () => performance.now(),
      uptimeGrainMs: 1,
    },
  });
  const partitions = new ReplicatedPartitions(host, { storage, limits, wallNowMs });
  partitions.adopt(map);
  return { host, partitions };
}

/** A map with `count` partitions, each on `primary` alone since `version`. */
export function mapOnOne(primary: Member, count: number, version = 1): ClusterMap {
  const cluster = clusterId('c'.repeat(32));
  const partitions = Array.from({ length: count }, (_unused, number): PartitionRecord => {
    return {
      partition: partitionId(number),
      revision: version,
      target: null,
      configuration: {
        gen: generation(1),
        epoch: epoch(version),
        primary,
        insync: [primary],
        eligible: [],
        minInSync: 1,
        kind: 'create',
        proposalId: proposalId(`p${version}`),
        by: 'master',
      },
    };
  });
  const applied = Map.from({
    clusterId: cluster,
    since: 0,
    version,
    formed: true,
    settings: {
      placement: 'hashed',
      clusterId: cluster,
      revision: 1,
      partitionCount: count,
      replicationFactor: 1,
      minInSyncMax: null,
    },
    workers: [1, 2, 3].map((index) => {
      const { worker, store } = memberNumber(index);
      const state = { state: 'active', presence: 'up', sinceMs: 0, weight: 1 } as const;
      const ports = {
        http: { host: '127.0.0.1', port: 5000 + index },
        redisCluster: null,
        redisGateway: null,
      };
      return {
        index: worker,
        store,
        revision: 1,
        registrationNumber: index,
        boot: 1,
        labels: { host: '', zone: '' },
        ...state,
        ...ports,
      };
    }),
    partitions,
  });
  if (applied.answer !== 'applied') throw new Error(JSON.stringify(applied));
  return applied.map;
}
