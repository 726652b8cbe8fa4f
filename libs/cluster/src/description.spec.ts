import { describe, expect, it } from '@jest/globals';

import { ClusterMap } from './cluster-map.js';
import { describeCluster, describePartitions, describeWorkers } from './description.js';
import { clusterId } from './ids.js';

describe('the description of a cluster', () => {
  it('covers every slot although no partition has been created', () => {
    const map = ClusterMap.empty({
      placement: 'hashed',
      clusterId: clusterId('a'.repeat(32)),
      revision: 1,
      partitionCount: 3,
      replicationFactor: 1,
      minInSyncMax: null,
    });
    expect(describePartitions(map).map(({ slots, primary }) => [slots, primary])).toEqual([
      [[0, 5461], null],
      [[5462, 10922], null],
      [[10923, 16383], null],
    ]);
    expect(describeWorkers(map)).toEqual([]);
    expect(describeCluster(map)).toMatchObject({ partitions: 3, health: { served: 0, unserved: 3 } });
  });

  it('shows under local only the partitions of workers that have come', () => {
    const map = ClusterMap.empty({ placement: 'local', clusterId: clusterId('a'.repeat(32)), revision: 1 });
    expect(describePartitions(map)).toEqual([]);
    expect(describeCluster(map)).toMatchObject({ partitions: 0, replicationFactor: 1 });
  });
});
