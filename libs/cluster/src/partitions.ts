/**
 * How the 16384 slots are divided into partitions: P contiguous ranges, in order, whose sizes differ by at most one.
 *
 *   partition of slot s       = floor(s * P / 16384)
 *   first slot of partition p = ceil(p * 16384 / P)
 *
 * P is fixed when the cluster is created, so this division never changes and needs no table on any wire.
 * Every slot is in exactly one partition: the first function says which, the second is its inverse.
 */
import { invariant } from '@diststore/base';

import { isWholeNumber, PARTITION_COUNT_MAX, partitionId } from './ids.js';
import type { PartitionId } from './ids.js';
import { SLOT_COUNT, slotOf } from './slots.js';

/** Slots `first` to `last`, both included. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

export class Partitions {
  /** REQUIRES: `count` is from 1 to 16384. */
  constructor(readonly count: number) {
    const isPossible = isWholeNumber(count, { min: 1, max: PARTITION_COUNT_MAX });
    invariant(isPossible, 'a cluster has 1 to 16384 partitions', { count });
  }

  /** REQUIRES: `slot` is from 0 to 16383. The product stays below 2^28, so the arithmetic is exact. */
  ofSlot(slot: number): PartitionId {
    return Math.floor((slot * this.count) / SLOT_COUNT) as PartitionId;
  }

  ofKey(key: Uint8Array): PartitionId {
    return this.ofSlot(slotOf(key));
  }

  slotsOf(partition: PartitionId): SlotRange {
    invariant(partition < this.count, 'the partition exists', { partition, count: this.count });
    return { first: this.firstSlotOf(partition), last: this.firstSlotOf(partition + 1) - 1 };
  }

  all(): PartitionId[] {
    return Array.from({ length: this.count }, (_, p) => partitionId(p));
  }

  private firstSlotOf(partition: number): number {
    return Math.ceil((partition * SLOT_COUNT) / this.count);
  }
}
