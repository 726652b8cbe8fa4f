/**
 * Beacons: how leases are renewed. One frame per pair of workers and interval carries an item for every partition
 * that one leads and the other takes part in; one frame answers it.
 *
 * Only the transport is shared. The lease itself belongs to one partition, one version and one member: a worker may
 * have left a primary's version in one partition and not in another, so the answer names every item it accepts.
 *
 * `sentAtMs` and `boot` come back as they were sent. The lease counts from that moment, on the clock it was read
 * from; an answer to an earlier process on the same machine is worth nothing.
 */
import type { Configuration, Incarnation, PartitionId, Ver } from '@diststore/cluster';

import type { CommitPoint } from './message.js';

export interface BeaconItem extends CommitPoint {
  readonly ver: Ver;
}

export interface Beacon {
  readonly boot: number;
  readonly sentAtMs: number;
  readonly leaseMs: number;
  readonly items: readonly (BeaconItem & { readonly partition: PartitionId })[];
}

export interface AcceptedItem {
  readonly partition: PartitionId;
  readonly ver: Ver;
  /** Of the replica that accepts; its worker and store are those of the connection. */
  readonly incarnation: Incarnation;
}

export interface BeaconAnswer {
  readonly boot: number;
  readonly sentAtMs: number;
  readonly accepted: readonly AcceptedItem[];
  /** Something newer is known. Items in neither list were passed over. */
  readonly rejected: readonly { readonly partition: PartitionId; readonly configuration: Configuration }[];
}

/** What assembling a beacon asks of each replica. */
export interface BeaconSource {
  readonly partition: PartitionId;
  beaconFor(worker: number): BeaconItem | undefined;
}

/** The frame for one worker, or undefined if no partition has anything to say to it. */
export function assembleBeacon(
  replicas: Iterable<BeaconSource>,
  worker: number,
  frame: { boot: number; sentAtMs: number; leaseMs: number },
): Beacon | undefined {
  const items: (BeaconItem & { partition: PartitionId })[] = [];
  for (const replica of replicas) {
    const item = replica.beaconFor(worker);
    if (item !== undefined)
      items.push({
        partition: replica.partition,
        ver: item.ver,
        committed: item.committed,
        chain: item.chain,
      });
  }
  return items.length === 0 ? undefined : { ...frame, items };
}
