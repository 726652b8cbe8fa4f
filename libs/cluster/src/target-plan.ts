/**
 * From the cluster map to the targets that should change: placement applied to what is placed already.
 *
 * The plan starts from the targets, not from who is in sync, so that planning again while replicas still move plans
 * nothing new. Under `local` there is nothing to choose: a partition belongs to its worker.
 */
import type { ClusterMap } from './cluster-map.js';
import { localPartitionOf } from './cluster-map.js';
import { partitionId } from './ids.js';
import type { PartitionId } from './ids.js';
import { place } from './placement.js';
import type { Placed } from './placement.js';
import type { Target } from './target.js';
import type { PlacementWorker } from './topology.js';

export interface TargetChange {
  readonly partition: PartitionId;
  /** One revision above the target that the map has. */
  readonly target: Target;
}

/**
 * The targets to set so that `workers` share all partitions; empty if all is well already.
 *
 * @param workers those that may hold replicas: the caller leaves out removed and draining workers, and those gone for
 *   too long. With none at all nothing changes.
 */
export function planTargets(map: ClusterMap, workers: readonly PlacementWorker[]): TargetChange[] {
  const { settings } = map;
  if (workers.length === 0) return [];
  if (settings.placement === 'local') {
    const own = workers.map(({ index }) => ({ replicas: [index], preferredPrimary: index }));
    return changes(
      map,
      own.map((placed) => ({ partition: localPartitionOf(placed.preferredPrimary), placed })),
    );
  }
  const { partitionCount, replicationFactor } = settings;
  const partitions = Array.from({ length: partitionCount }, (_, p) => partitionId(p));
  const current = partitions.map((partition) => map.targetOf(partition));
  const plan = place({ workers, partitionCount, replicationFactor, current });
  return changes(
    map,
    partitions.map((partition) => ({ partition, placed: plan.placed[partition] as Placed })),
  );
}

function changes(
  map: ClusterMap,
  wanted: readonly { partition: PartitionId; placed: Placed }[],
): TargetChange[] {
  return wanted.flatMap(({ partition, placed }) => {
    const stored = map.targetOf(partition);
    if (stored !== undefined && isPlacedSo(stored, placed)) return [];
    return [{ partition, target: { rev: (stored?.rev ?? 0) + 1, ...placed } }];
  });
}

function isPlacedSo(target: Target, placed: Placed): boolean {
  return (
    target.preferredPrimary === placed.preferredPrimary &&
    target.replicas.length === placed.replicas.length &&
    target.replicas.every((worker) => placed.replicas.includes(worker))
  );
}
