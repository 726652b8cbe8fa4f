/** Small records for the specs of this library: sound by default, with whatever a test is about put in. */
import type { Configuration } from '../src/configuration.js';
import {
  clusterId,
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '../src/ids.js';
import type { StoreId, WorkerIndex } from '../src/ids.js';
import type { MapDelta, PartitionRecord } from '../src/map-delta.js';
import type { Member } from '../src/member.js';
import type { HashedSettings, LocalSettings } from '../src/settings.js';
import type { Target } from '../src/target.js';
import type { DecisionContext } from '../src/transition.js';
import type { Ver } from '../src/ver.js';
import type { Worker } from '../src/worker.js';

export const CLUSTER = clusterId('c'.repeat(32));

/** The `n`th store of a worker. */
export function storeAt(worker: number, n = 1): StoreId {
  return storeId(`${worker}a${n}`.padStart(32, '0'));
}

export function member(worker: number, options: { store?: number; incarnation?: number } = {}): Member {
  return {
    worker: workerIndex(worker),
    store: storeAt(worker, options.store),
    incarnation: incarnation(`${worker}b${options.incarnation ?? 1}`.padStart(16, '0')),
  };
}

export function members(...workers: number[]): Member[] {
  return workers.map((worker) => member(worker));
}

export function ver(gen: number, n: number): Ver {
  return { gen: generation(gen), epoch: epoch(n) };
}

/** In sync on workers 1, 2 and 3, led by the first, unless told otherwise. */
export function configuration(parts: Partial<Configuration> = {}): Configuration {
  const insync = parts.insync ?? members(1, 2, 3);
  return {
    ...ver(1, 5),
    primary: insync[0] as Member,
    insync,
    eligible: [],
    minInSync: 1,
    kind: 'add',
    proposalId: proposalId('stored'),
    by: 'master',
    ...parts,
  };
}

export function target(...workers: number[]): Target {
  return { rev: 1, replicas: workers.map(workerIndex), preferredPrimary: workerIndex(workers[0] as number) };
}

/** Every worker up to 9 is registered with its first store, and wanted. */
export function context(parts: Partial<DecisionContext> = {}): DecisionContext {
  const registered = new Map<WorkerIndex, StoreId>();
  for (let worker = 1; worker <= 9; worker++) registered.set(workerIndex(worker), storeAt(worker));
  const everywhere = target(1, 2, 3, 4, 5, 6, 7, 8, 9);
  return { gen: generation(1), registered, target: everywhere, minInSyncGoal: 2, ...parts };
}

export function worker(index: number, parts: Partial<Worker> = {}): Worker {
  return {
    index: workerIndex(index),
    revision: 1,
    store: storeAt(index),
    registrationNumber: index,
    boot: 1,
    state: 'active',
    presence: 'up',
    sinceMs: 0,
    http: { host: '127.0.0.1', port: 5000 + index },
    redisCluster: { host: '::1', port: 7000 + index },
    redisGateway: null,
    labels: { host: `host-${index}`, zone: 'zone' },
    weight: 1,
    ...parts,
  };
}

export function hashed(parts: Partial<HashedSettings> = {}): HashedSettings {
  return {
    placement: 'hashed',
    clusterId: CLUSTER,
    revision: 1,
    partitionCount: 4,
    replicationFactor: 3,
    minInSyncMax: null,
    ...parts,
  };
}

export const LOCAL: LocalSettings = { placement: 'local', clusterId: CLUSTER, revision: 1 };

export function partition(number: number, parts: Partial<PartitionRecord> = {}): PartitionRecord {
  return {
    partition: partitionId(number),
    revision: 1,
    configuration: configuration(),
    target: target(1, 2, 3),
    ...parts,
  };
}

/** News since version 0 of a formed cluster with workers 1 to 3 and four partitions, unless told otherwise. */
export function news(parts: Partial<MapDelta> = {}): MapDelta {
  return {
    clusterId: CLUSTER,
    since: 0,
    version: 1,
    formed: true,
    settings: hashed(),
    workers: [1, 2, 3].map((index) => worker(index)),
    partitions: [0, 1, 2, 3].map((number) => partition(number)),
    ...parts,
  };
}
