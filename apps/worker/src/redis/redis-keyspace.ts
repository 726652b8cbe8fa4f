/**
 * What the Redis ports need of the rest of the worker: the keys of the cluster, and the map of it. Interfaces of their
 * own, so that a session can be tested without a cluster; `Keyspace` and `MapFollower` fit them as they are.
 */
import type { ClusterMap, PartitionId, WorkerIndex } from '@diststore/cluster';
import type { Operation, Result, StoredValue } from '@diststore/data';

export interface RedisFound {
  readonly record: StoredValue | undefined;
}

export interface RedisDone {
  readonly result: Result;
  /** Workers that hold what was written. */
  readonly replicas: readonly number[];
}

export interface RedisPage {
  readonly records: readonly { readonly key: Buffer; readonly record: StoredValue }[];
  /** Where to go on; undefined at the end. */
  readonly next: Buffer | undefined;
}

export interface RedisKeyspace {
  /** Answers at once when it can. @throws StoreError */
  get(key: Buffer): RedisFound | Promise<RedisFound>;
  /** As `get`, from the replica that is here, as far as it has come, if there is one that may be read. @throws StoreError */
  getAs(key: Buffer, consistency: 'stale'): Promise<RedisFound>;
  /** Whether this worker has a replica of the partition, in whatever role. */
  hasReplica(partition: PartitionId): boolean;
  /** REQUIRES: all keys lie in one partition. @throws StoreError */
  perform(operation: Operation): Promise<RedisDone>;
  partitionOf(key: Buffer): PartitionId;
  /** All of the keyspace. */
  partitions(): readonly PartitionId[];
  page(
    partition: PartitionId,
    from: Buffer,
    to: Buffer | undefined,
    options: { readonly limit: number; readonly keysOnly: boolean },
  ): Promise<RedisPage>;
  counts(partition: PartitionId): Promise<{ readonly keys: number; readonly bytes: number }>;
  clear(): Promise<unknown>;
}

/** Who answers reads. */
export type Reader = Pick<RedisKeyspace, 'get'>;

export interface RedisCluster {
  readonly self: WorkerIndex;
  /** Undefined until the master was heard of. */
  readonly map: ClusterMap | undefined;
}
