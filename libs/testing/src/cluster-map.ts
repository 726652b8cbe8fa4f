/**
 * Cluster maps for tests, and what they are made of: sound by default, with whatever a test is about put in.
 *
 * Not for the specs of libs/cluster, whose own fixtures do without the rest of this library.
 */
import {
  ClusterMap,
  clusterId,
  epoch,
  generation,
  incarnation,
  partitionId,
  proposalId,
  storeId,
  workerIndex,
} from '@diststore/cluster';
import type { HashedSettings, MapDelta, Member, PartitionRecord, Worker } from '@diststore/cluster';

export const TEST_CLUSTER = clusterId('c'.repeat(32));

/** The member that worker `index` is. */
export function memberNumber(index: number): Member {
  return {
    worker: workerIndex(index),
    store: storeId(index.toString(16).padStart(32, '0')),
    incarnation: incarnation(index.toString(16).padStart(16, '0')),
  };
}

/** Registered, up, and without Redis ports. */
export function workerNumber(index: number, parts: Partial<Worker> = {}): Worker {
  const { worker, store } = memberNumber(index);
  return {
    index: worker,
    revision: 1,
    store,
    registrationNumber: index,
    boot: 1,
    state: 'active',
    presence: 'up',
    sinceMs: 0,
    http: { host: '127.0.0.1', port: 5000 + index },
    redisCluster: null,
    redisGateway: null,
    labels: { host: '', zone: '' },
    weight: 1,
    ...parts,
  };
}

export function hashedSettings(parts: Partial<HashedSettings> = {}): HashedSettings {
  return {
    placement: 'hashed',
    clusterId: TEST_CLUSTER,
    revision: 1,
    partitionCount: 8,
    replicationFactor: 1,
    minInSyncMax: null,
    ...parts,
  };
}

/** A partition that is on `primary` alone since `version`. */
export function partitionOn(primary: Member, number: number, version = 1): PartitionRecord {
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
}

/** A whole map. @throws Error when the parts do not go together. */
export function clusterMap(parts: Pick<MapDelta, 'workers' | 'partitions'> & Partial<MapDelta>): ClusterMap {
  const whole = { clusterId: TEST_CLUSTER, since: 0, version: 1, formed: true, settings: hashedSettings() };
  const applied = ClusterMap.from({ ...whole, ...parts });
  if (applied.answer !== 'applied') throw new Error(`The map is refused: ${JSON.stringify(applied)}`);
  return applied.map;
}
