/** Cluster maps for tests: workers 1 to n, each primary of an equal share of the partitions. */
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
import type { MapDelta, Member } from '@diststore/cluster';

export interface TestMapOptions {
  readonly workers?: number;
  readonly partitions?: number;
  readonly placement?: 'hashed' | 'local';
  /** Port of worker i's Redis cluster port; default 7000 + i. null: none. */
  readonly clusterPortOf?: (index: number) => number | null;
}

const CLUSTER = clusterId('c'.repeat(32));

function member(index: number): Member {
  return {
    worker: workerIndex(index),
    store: storeId(String(index).padStart(32, '0')),
    incarnation: incarnation(String(index).padStart(16, '0')),
  };
}

export function testMap({
  workers = 1,
  partitions = 8,
  placement = 'hashed',
  clusterPortOf = (index) => 7000 + index,
}: TestMapOptions = {}): ClusterMap {
  const indices = Array.from({ length: workers }, (_, i) => i + 1);
  const delta: MapDelta = {
    clusterId: CLUSTER,
    since: 0,
    version: 1,
    formed: placement === 'hashed',
    settings:
      placement === 'local'
        ? { placement, clusterId: CLUSTER, revision: 1 }
        : {
            placement,
            clusterId: CLUSTER,
            revision: 1,
            partitionCount: partitions,
            replicationFactor: 1,
            minInSyncMax: null,
          },
    workers: indices.map((index) => {
      const port = clusterPortOf(index);
      return {
        index: workerIndex(index),
        revision: 1,
        store: member(index).store,
        registrationNumber: index,
        boot: 1,
        state: 'active',
        presence: 'up',
        sinceMs: 0,
        http: { host: '127.0.0.1', port: 5000 + index },
        redisCluster: port === null ? null : { host: '127.0.0.1', port },
        redisGateway: null,
        labels: { host: '', zone: '' },
        weight: 1,
      };
    }),
    partitions: (placement === 'local' ? indices : Array.from({ length: partitions }, (_, p) => p)).map(
      (p) => {
        const primary = member(placement === 'local' ? p : (p % workers) + 1);
        return {
          partition: partitionId(p),
          revision: 1,
          target: null,
          configuration: {
            gen: generation(1),
            epoch: epoch(1),
            primary,
            insync: [primary],
            eligible: [],
            minInSync: 1,
            kind: 'create',
            proposalId: proposalId(`p${p}`),
            by: 'master',
          },
        };
      },
    ),
  };
  const applied = ClusterMap.from(delta);
  if (applied.answer !== 'applied') throw new Error(`The map is refused: ${JSON.stringify(applied)}`);
  return applied.map;
}
