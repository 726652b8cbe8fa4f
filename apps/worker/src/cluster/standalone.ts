/**
 * The map of a cluster of one: a worker that serves without a master. It has placement `local` and this worker's one
 * partition, and never changes. The cluster id is the store's own, so that it can be taken for no other cluster.
 */
import { createHash } from 'node:crypto';

import type { MapDelta, StoreId, WorkerIndex } from '@diststore/cluster';
import { clusterId, epoch, generation, incarnation, localPartitionOf, proposalId } from '@diststore/cluster';

export interface Standalone {
  readonly index: WorkerIndex;
  readonly store: StoreId;
  readonly http: { readonly host: string; readonly port: number };
}

export function standaloneMap({ index, store, http }: Standalone): MapDelta {
  // The same at every start, since an installed configuration is never replaced by another of the same version.
  const id = createHash('sha256').update(store).digest('hex');
  const self = { worker: index, store, incarnation: incarnation(id.slice(0, 16)) };
  const cluster = clusterId(id.slice(0, 32));
  return {
    clusterId: cluster,
    since: 0,
    version: 1,
    formed: false,
    settings: { placement: 'local', clusterId: cluster, revision: 1 },
    workers: [
      {
        index,
        revision: 1,
        store,
        registrationNumber: 1,
        boot: 1,
        state: 'active',
        presence: 'up',
        sinceMs: 0,
        http,
        redisCluster: null,
        redisGateway: null,
        labels: { host: '', zone: '' },
        weight: 1,
      },
    ],
    partitions: [
      {
        partition: localPartitionOf(index),
        revision: 1,
        target: null,
        configuration: {
          gen: generation(1),
          epoch: epoch(1),
          primary: self,
          insync: [self],
          eligible: [],
          minInSync: 1,
          kind: 'create',
          proposalId: proposalId(id.slice(32)),
          by: 'master',
        },
      },
    ],
  };
}
