/**
 * The cluster map for people: what the topology endpoints show. Everything here can be read from the map; what is
 * only known to the master (process ids, key counts) it adds itself.
 */
import type { ClusterMap } from './cluster-map.js';
import type { PartitionId } from './ids.js';
import { httpUrlOf } from './worker.js';

export interface ClusterDescription {
  readonly clusterId: string;
  readonly mapVersion: number;
  readonly placement: 'hashed' | 'local';
  readonly formed: boolean;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly workers: { readonly up: number; readonly down: number };
  /** Partitions whose primary's worker is up, and the others. */
  readonly health: { readonly served: number; readonly unserved: number };
}

export interface WorkerDescription {
  readonly index: number;
  readonly url: string;
  readonly state: string;
  readonly presence: string;
  /** When state or presence last changed: milliseconds since the Unix epoch, by the master's clock. */
  readonly sinceMs: number;
  readonly store: string;
  readonly boot: number;
  readonly labels: { readonly host: string; readonly zone: string };
  readonly weight: number;
  readonly partitions: { readonly primary: number; readonly secondary: number };
}

export interface PartitionDescription {
  readonly partition: number;
  /** First and last slot; null under placement `local`. */
  readonly slots: readonly [number, number] | null;
  /** The rest is null until the partition is created. */
  readonly primary: number | null;
  /** Indices of the workers in sync, the primary first. */
  readonly replicas: readonly number[] | null;
  readonly generation: number | null;
  readonly epoch: number | null;
}

export function describeCluster(map: ClusterMap): ClusterDescription {
  const { settings } = map;
  const workers = map.workers().filter(({ state }) => state !== 'removed');
  const up = workers.filter(({ presence }) => presence === 'up').length;
  const records = map.partitionRecords();
  const partitions = settings.placement === 'hashed' ? settings.partitionCount : records.length;
  const served = records.filter(({ partition }) => map.ownerOf(partition)?.presence === 'up').length;
  return {
    clusterId: settings.clusterId,
    mapVersion: map.version,
    placement: settings.placement,
    formed: map.formed,
    partitions,
    replicationFactor: settings.placement === 'hashed' ? settings.replicationFactor : 1,
    workers: { up, down: workers.length - up },
    health: { served, unserved: partitions - served },
  };
}

export function describeWorkers(map: ClusterMap): WorkerDescription[] {
  return map.workers().map((worker) => {
    const { primary, secondary } = map.partitionsOf(worker.index);
    return {
      index: worker.index,
      url: httpUrlOf(worker.http),
      state: worker.state,
      presence: worker.presence,
      sinceMs: worker.sinceMs,
      store: worker.store,
      boot: worker.boot,
      labels: worker.labels,
      weight: worker.weight,
      partitions: { primary: primary.length, secondary: secondary.length },
    };
  });
}

/** Under `hashed` every partition there is, under `local` those of the workers that have come. */
export function describePartitions(map: ClusterMap): PartitionDescription[] {
  return map.partitions === undefined
    ? map.partitionRecords().map(({ partition }) => describePartition(map, partition))
    : map.partitions.all().map((partition) => describePartition(map, partition));
}

export function describePartition(map: ClusterMap, partition: PartitionId): PartitionDescription {
  const slots = map.partitions?.slotsOf(partition);
  const configuration = map.configurationOf(partition);
  const primary = configuration?.primary.worker ?? null;
  const others = configuration?.insync.map(({ worker }) => worker).filter((worker) => worker !== primary);
  return {
    partition,
    slots: slots === undefined ? null : [slots.first, slots.last],
    primary,
    replicas: primary === null || others === undefined ? null : [primary, ...others],
    generation: configuration?.gen ?? null,
    epoch: configuration?.epoch ?? null,
  };
}
