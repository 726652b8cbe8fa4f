/** Cluster maps for tests: workers 1 to n, each primary of an equal share of the partitions. */
import type { ClusterMap } from '@diststore/cluster';
import {
  clusterMap,
  hashedSettings,
  memberNumber,
  partitionOn,
  TEST_CLUSTER,
  workerNumber,
} from '@diststore/testing';

export interface TestMapOptions {
  readonly workers?: number;
  readonly partitions?: number;
  readonly placement?: 'hashed' | 'local';
  /** Port of worker i's Redis cluster port; default 7000 + i. null: none. */
  readonly clusterPortOf?: (index: number) => number | null;
}

export function testMap({
  workers = 1,
  partitions = 8,
  placement = 'hashed',
  clusterPortOf = (index) => 7000 + index,
}: TestMapOptions = {}): ClusterMap {
  const indices = Array.from({ length: workers }, (_unused, i) => i + 1);
  const isLocal = placement === 'local';
  return clusterMap({
    formed: !isLocal,
    settings: isLocal
      ? { placement, clusterId: TEST_CLUSTER, revision: 1 }
      : hashedSettings({ partitionCount: partitions }),
    workers: indices.map((index) => {
      const port = clusterPortOf(index);
      return workerNumber(index, { redisCluster: port === null ? null : { host: '127.0.0.1', port } });
    }),
    partitions: isLocal
      ? indices.map((index) => partitionOn(memberNumber(index), index))
      : Array.from({ length: partitions }, (_unused, p) => partitionOn(memberNumber((p % workers) + 1), p)),
  });
}
