/**
 * The cluster map as Redis clients see it: every worker is a master of the slots that it is primary for, and none has
 * replicas, so that each node has one role. Any of them answers reads of what it has a replica of, whoever is primary,
 * for a connection that said READONLY.
 *
 * A worker without a cluster port cannot be named in a MOVED; whoever is asked for its slots forwards.
 */
import { createHash } from 'node:crypto';

import type { Address, ClusterMap, PartitionId, SlotRange, Worker, WorkerIndex } from '@diststore/cluster';
import { SLOT_COUNT, slotOf } from '@diststore/cluster';
import {
  CROSS_SLOT_ERROR,
  type ErrorReply,
  LOADING_ERROR,
  movedError,
  SLOT_NOT_SERVED_ERROR,
} from '@diststore/redis';

import type { RedisCluster } from './redis-keyspace.js';

export interface ClusterNode {
  readonly id: string;
  readonly index: WorkerIndex;
  readonly address: Address;
  /** Of the links between workers; shown as the bus port. */
  readonly busPort: number;
  readonly isSelf: boolean;
  readonly isUp: boolean;
  /** In order; neighbouring ones joined. */
  readonly slots: readonly SlotRange[];
}

/** 40 hex digits, the same for the life of the cluster. */
export function nodeIdOf(clusterId: string, index: number): string {
  return createHash('sha1').update(`${clusterId}/${index}`).digest('hex');
}

export class SlotMap {
  constructor(
    private readonly cluster: RedisCluster,
    /** Where this worker's own cluster port is, as clients reach it. */
    private readonly own: Address,
  ) {}

  get map(): ClusterMap | undefined {
    return this.cluster.map;
  }

  get self(): WorkerIndex {
    return this.cluster.self;
  }

  get selfId(): string {
    return nodeIdOf(this.cluster.map?.settings.clusterId ?? '', this.cluster.self);
  }

  /** Whether the partition's primary is on this worker, as far as is known. */
  isHere(partition: PartitionId): boolean {
    return this.cluster.map?.primaryOf(partition)?.worker === this.cluster.self;
  }

  /** Why the cluster port does not run a command on this key; undefined when it does. Allocates nothing then. */
  redirectionOf(key: Buffer): ErrorReply | undefined {
    const { map } = this.cluster;
    if (map === undefined) return LOADING_ERROR;
    // Under placement `local` there are no slots, so there is nothing that a cluster client could find.
    if (map.partitions === undefined) return SLOT_NOT_SERVED_ERROR;
    const slot = slotOf(key);
    const primary = map.primaryOf(map.partitions.ofSlot(slot));
    if (primary === undefined) return SLOT_NOT_SERVED_ERROR;
    if (primary.worker === this.cluster.self) return undefined;
    const address = map.worker(primary.worker)?.redisCluster ?? undefined;
    return address === undefined ? undefined : movedError({ slot, ...address });
  }

  /** Whether one operation may touch all these keys. Always, under placement `local`. */
  crossSlotErrorOf(keys: readonly Buffer[]): ErrorReply | undefined {
    const [first] = keys;
    if (first === undefined || keys.length === 1 || this.cluster.map?.partitions === undefined)
      return undefined;
    const slot = slotOf(first);
    for (let i = 1; i < keys.length; i++) if (slotOf(keys[i] as Buffer) !== slot) return CROSS_SLOT_ERROR;
    return undefined;
  }

  /** Those this worker is primary of. */
  ownPartitions(): PartitionId[] {
    return this.cluster.map?.partitionsOf(this.cluster.self).primary ?? [];
  }

  /** Whether every slot has a primary. */
  get isWhole(): boolean {
    const { map } = this.cluster;
    return (
      map?.partitions !== undefined && map.partitions.all().every((id) => map.primaryOf(id) !== undefined)
    );
  }

  get servedSlots(): number {
    return this.nodes().reduce(
      (sum, { slots }) => sum + slots.reduce((count, { first, last }) => count + last - first + 1, 0),
      0,
    );
  }

  /** All workers with a cluster port, this one in any case, by index. Empty before the map is known. */
  nodes(): ClusterNode[] {
    const { map } = this.cluster;
    if (map === undefined) return [];
    const slots = this.slotsByWorker(map);
    return map
      .workers()
      .filter((worker) => worker.state !== 'removed' && (this.isSelf(worker) || worker.redisCluster !== null))
      .map((worker) => ({
        id: nodeIdOf(map.settings.clusterId, worker.index),
        index: worker.index,
        address: this.isSelf(worker) ? this.own : (worker.redisCluster as Address),
        busPort: worker.http.port,
        isSelf: this.isSelf(worker),
        isUp: this.isSelf(worker) || worker.presence === 'up',
        slots: slots.get(worker.index) ?? [],
      }));
  }

  private isSelf({ index }: Worker): boolean {
    return index === this.cluster.self;
  }

  private slotsByWorker(map: ClusterMap): Map<WorkerIndex, SlotRange[]> {
    const found = new Map<WorkerIndex, SlotRange[]>();
    for (const partition of map.partitions?.all() ?? []) {
      const primary = map.primaryOf(partition)?.worker;
      if (primary === undefined) continue;
      const shown = map.worker(primary)?.redisCluster == null ? this.cluster.self : primary;
      const range = map.partitions?.slotsOf(partition) as SlotRange;
      let ranges = found.get(shown);
      if (ranges === undefined) found.set(shown, (ranges = []));
      const last = ranges.at(-1);
      if (last?.last === range.first - 1) ranges[ranges.length - 1] = { first: last.first, last: range.last };
      else ranges.push(range);
    }
    return found;
  }
}

export { SLOT_COUNT };
